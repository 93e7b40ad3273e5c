# Everything happens in .venv, made on first use. `make` alone lists what there is.

PY := .venv/bin/python
BOOK := .demo/the-black-arrow.txt

.PHONY: help demo test test-slow lint clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/.ready $(BOOK) ## read a whole book and ask two questions about it
	.venv/bin/farspan ask $(BOOK) 'Which character says "Is it you, my lord?"' --session demo
	@echo
	@echo "The second question reads nothing again:"
	.venv/bin/farspan ask $(BOOK) "Complete the sentence: \"If that I fail, if that I spill not ten men's\"" --session demo

test: lint ## set up, check style and types, run the tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto # tiny tensors: a second thread costs more than it does

test-slow: .venv/.ready-dev ## run the tests that take minutes
	$(PY) -m pytest -m slow

lint: .venv/.ready-dev ## check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

clean: ## remove the environment and everything that was made
	rm -rf .venv .demo .pytest_cache .hypothesis .mypy_cache .ruff_cache build dist src/*.egg-info

.venv/.ready: pyproject.toml tools/install.sh
	tools/install.sh .venv
	@touch $@

.venv/.ready-dev: pyproject.toml tools/install.sh
	tools/install.sh .venv dev
	@touch .venv/.ready $@

.demo/%.txt: examples/%.txt.gz
	@mkdir -p $(@D)
	gzip -dc $< > $@.part && mv $@.part $@
