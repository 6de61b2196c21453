# Two commands do everything on a fresh machine: `make repro` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
export DVC_NO_ANALYTICS := 1

.PHONY: help setup graph repro grocery pictures checked test test-long debian chaos lint fuzz site constraints clean
help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY) ## a virtual environment with the pinned packages

PINNED   := install --quiet --constraint constraints.txt
PIP      := $(BIN)/python -m pip --disable-pip-version-check $(PINNED)
PACKAGES := --editable '.[build,languages,train,metric-learning,ray,review,s3,docs,dev]'
# pip fetches torch from wherever it is told to, uv the rest in a third of the time; what uv cannot reach, pip does.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-compile torch uv
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip $(PINNED) --python $(BIN)/python $(PACKAGES) || $(PIP) --no-compile $(PACKAGES)
	@touch $@

graph: $(READY) ## make dvc.yaml from the declared stages, params.yaml and the imports of the code
	@$(BIN)/cairn graph

JOBS ?= 1
# The stages of a dataset on a line, in order: one process builds all of it and looks at no stage that the others share,
# for DVC lets no two processes look at one stage.
CHAINS = awk -F@ 'NF == 2 {if (!($$2 in chain)) names[++n] = $$2; chain[$$2] = chain[$$2] " " $$0} \
	END {for (i = 1; i <= n; i++) print chain[names[i]]}'
repro: graph ## rebuild datasets, trees, models and results of params.yaml; JOBS=2: two datasets at a time
	@PATH="$(CURDIR)/$(BIN):$$PATH"; test $(JOBS) = 1 || { dvc repro --quiet plan && dvc stage list --name-only \
		| $(CHAINS) | xargs -P $(JOBS) -L 1 dvc --wait-for-lock repro --single-item; }; dvc repro

grocery: $(READY) ## MIRROR=folder with images.tar and labels.csv: the same graph on real photographs
	@test -n "$(MIRROR)" || { echo "error: say where the photographs are: make grocery MIRROR=<folder>"; exit 2; }
	@$(BIN)/cairn include grocery --mirror "$(MIRROR)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro

pictures: $(READY) debian ## the pictures of README and docs, from the built sample (and MIRROR=<grocery>); needs chromium
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.browser.pictures $(if $(MIRROR),--mirror "$(MIRROR)")

lint: $(READY) ## style, types, layers
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy --num-workers 2
	@$(BIN)/lint-imports --no-cache

DEBIAN ?= chromium chromium-driver wordnet-base
debian: ## what the tests of pages and of trees from text run beside Python, where apt can install it
	@dpkg -s $(DEBIAN) >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		echo "Installing $(DEBIAN) for the tests" && \
		{ timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -qq -y \
			--no-install-recommends $(DEBIAN); } >/dev/null 2>&1; } || \
		echo "apt cannot install $(DEBIAN) here: tests that need what is missing are skipped"

PYTEST = OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadgroup

checked:
	@$(MAKE) --no-print-directory -j 2 lint debian

test: checked ## lint and the tests that need no network
	@$(PYTEST) -m "not long"

test-long: export DEBIAN += qemu-user
test-long: checked ## all tests, the long campaigns too: some twenty minutes more
	@$(PYTEST)

MINUTES ?= 2
fuzz: $(READY) ## MINUTES=2 per parser, or only TARGETS="tree zip": coverage-guided fuzzing, summary in results/fuzz/
	@$(PIP) --editable '.[build,languages,train,review,s3,dev,fuzz]'
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run --minutes $(MINUTES) $(TARGETS)

chaos: $(READY) ## the fault campaign, long form: results/chaos (about an hour; as root it fills small disks too)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.chaos.campaign

site: $(READY) ## the documentation with tutorials and reference, into site-docs/, read without a network
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --quiet --strict && echo "site-docs/index.html: open it in a browser"

constraints: $(READY) ## write the installed versions to constraints.txt
	@{ echo "# Exact versions of everything that the two commands install; made by 'make constraints'."; \
	   $(BIN)/python -m pip freeze --exclude-editable | sed 's/^torch==.*/torch==2.13.0/'; } > constraints.tmp
	@mv constraints.tmp constraints.txt

clean: ## remove what was built (data, models), not the environment nor the results
	@rm -rf data models
