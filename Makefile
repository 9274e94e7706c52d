# `make run` and `make test` need Python 3.11 or later and nothing else; everything they install stays in .venv.
# PORT=8000 VAR=var DEMO=1 change how `make run` serves; ARGS="tests/graph -k search" narrows `make test`.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done || true)
VENV := .venv/bin/python
WORKERS ?= 2
ARGS ?=
BENCHMARKS = $(sort $(basename $(notdir $(shell grep -l __main__ benchmarks/*.py))) \
	$(notdir $(patsubst %/__main__.py,%,$(wildcard benchmarks/*/__main__.py))))

.DEFAULT_GOAL := run
.PHONY: run test check bench neo4j fmt tools requirements clean python setup setup-dev

run: setup
	@exec $(VENV) manage.py up

test: setup-dev
	@exec $(VENV) -m pytest -n $(WORKERS) $(ARGS)

check: setup-dev
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy intelgraph apps scripts
	.venv/bin/lint-imports --no-logo
	$(VENV) -m scripts.with_services -- $(VENV) -m scripts.lint_migrations
	$(VENV) -m scripts.with_services -- $(VENV) manage.py schema --gate
	$(VENV) -m djlint --lint --quiet templates
	$(VENV) -m bandit --quiet -ll --recursive intelgraph apps scripts
	$(VENV) -m scripts.lint_docs

bench: setup-dev
	@set -e; for name in $(BENCHMARKS); do $(VENV) -m benchmarks.$$name --json; done

neo4j: setup
	@exec $(VENV) -m intelgraph.embedded.neo4j_foreground

fmt: setup-dev
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .

tools: setup-dev

requirements: setup-dev
	$(VENV) -m piptools compile --quiet --allow-unsafe --generate-hashes --no-emit-find-links --no-emit-index-url \
		--no-emit-trusted-host --strip-extras --output-file=requirements.txt requirements.in
	$(VENV) -m piptools compile --quiet --allow-unsafe --generate-hashes --no-emit-find-links --no-emit-index-url \
		--no-emit-trusted-host --strip-extras --output-file=requirements-dev.txt requirements-dev.in

# var/ holds data and stays.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist staticfiles
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is missing: apt install python3 | dnf install python3.11 | brew install python" >&2; exit 1; }

setup: python
	@exec $(PYTHON) scripts/setup_env.py run

setup-dev: python
	@exec $(PYTHON) scripts/setup_env.py dev
