"""Many ranks, one model: mesh, sequence, tensor and parameter parallelism on torch.distributed."""
