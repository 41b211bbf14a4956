# ASTRAN: see it at work, test it.
#
#   make demo            a simulated night, from mail to mail, on this machine
#   make test            lint, types and all tests that this machine can run
#   make services        what the remaining tests need (Debian; asks for root)
#   make help            everything else
#
# Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV   ?= .venv
VENV2  ?= .venv-gammapy2
VENV3  ?= .venv-lstchain010
VENV4  ?= .venv-rocrate
# further words for pytest, for example: make test PYTEST="-k mail"
PYTEST ?=
# tests run in so many processes, file by file; 0: in one, as a debugger wants it
WORKERS ?= 2

# what calls gammapy; the rest of the high level does without
GAMMAPY_TESTS := $(addprefix tests/highlevel/test_, \
    highlevel_faults.py highlevel_irfs.py highlevel_ogip.py highlevel_reference.py \
    highlevel_schema.py highlevel_spectrum.py highlevel_task.py highlevel_variants.py \
    spectral_models.py stacked_nights.py)

BIN  := $(VENV)/bin
BIN2 := $(VENV2)/bin
PACKAGING := setup.cfg setup.py pyproject.toml

# real services for the tests; none of them is started as a system service by the tests
SERVICES := slurm-wlm slurmdbd slurm-wlm-mysql-plugin munge mariadb-server \
            dovecot-imapd dovecot-lmtpd openssl postgresql chromium environment-modules
# HTCondor is a package of newer Debians only: .ci/htcondor installs it here

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint install-test test-gammapy2 test-slurm24 other-lstchain rocrate-validator \
        examples schema gallery architecture upgrade-data services clean check-python print-services

help:
	@echo "make demo            a simulated night, from mail to mail, on this machine"
	@echo "make test            lint, types and all tests that this machine can run"
	@echo "make lint            ruff and mypy alone"
	@echo "make test-gammapy2   the gammapy part with gammapy 2, without lstchain"
	@echo "make test-slurm24    the scheduler part with Slurm 24.11, in a Debian 13 root (as root)"
	@echo "make other-lstchain  lstchain 0.10 in an environment of its own, for the tests of two releases"
	@echo "make rocrate-validator  what judges capsules, in an environment of its own"
	@echo "make services        install the real services that the remaining tests need (Debian)"
	@echo "make examples        write configs/*.example.yml anew from the settings models"
	@echo "make schema          write docs/results.schema.json anew from the types of results.json"
	@echo "make architecture    draw docs/architecture.svg from the imports"
	@echo "make upgrade-data    keep a database of this version, which later ones must upgrade"
	@echo "make gallery         make the images of docs/gallery.md; DATA= and SIMULATED= name DL3 folders"
	@echo "make install-test    make the environment and nothing else"
	@echo "make clean           remove the environments and what the tools left behind"
	@echo
	@echo "PYTHON=$(PYTHON) (Python 3.11 or newer), environment in $(VENV)"

demo: $(VENV)/.installed-demo
	$(BIN)/astran demo

test: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST)

install-test: $(VENV)/.installed-test

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# gammapy 2 comes first, as in an environment that somebody already has; ASTRAN must not replace it
test-gammapy2: $(VENV2)/.installed
	$(BIN2)/pip install -q --no-deps --force-reinstall .
	$(BIN2)/python -c 'import gammapy; v = gammapy.__version__; print("gammapy", v); exit(v < "2.1")'
	$(BIN2)/pytest -n $(WORKERS) --dist loadfile -p no:cacheprovider $(GAMMAPY_TESTS) tests/config $(PYTEST)

test-slurm24:
	.ci/debian13

# a release of the year before beside the newest one, for the tests of both
other-lstchain: $(VENV3)/.installed

# it wants an older rich than ASTRAN's environment has
rocrate-validator: $(VENV4)/.installed

examples: $(VENV)/.installed-test
	$(BIN)/python -m astran.telescopes.examples configs

schema: $(VENV)/.installed-test
	$(BIN)/python -m astran.results.json_schema > docs/results.schema.json

# plays in /srv/astran, which must not be there; needs PostgreSQL
architecture: $(VENV)/.installed-test
	$(BIN)/python docs/draw_architecture.py

upgrade-data: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python -m upgrade.make_database

print-services:
	@echo $(SERVICES)

# public DL3, and DL3 as `astran demo` leaves it
DATA      ?= $(if $(ASTRAN_TEST_DATA),$(ASTRAN_TEST_DATA),../shared/data)
SIMULATED ?=

gallery: $(VENV)/.installed-test
	$(BIN)/python docs/gallery.py --data '$(DATA)' $(if $(SIMULATED),--simulated '$(SIMULATED)')

services:
	@command -v apt-get >/dev/null || { \
	  echo "This is no Debian. Install what these packages hold: $(SERVICES)"; exit 1; }
	@missing=$$(for name in $(SERVICES); do \
	    dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || echo $$name; \
	  done | tr '\n' ' '); \
	if [ -z "$$missing" ]; then \
	  echo "All services are installed."; \
	elif [ "$$(id -u)" -ne 0 ]; then \
	  echo "This needs root. Run: sudo make services"; \
	  echo "or: sudo apt-get install --no-install-recommends $$missing"; exit 1; \
	else \
	  apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	fi
	@timeout 900 .ci/htcondor || echo "HTCondor could not be installed; its tests on a real pool will say so."

clean:
	rm -rf $(VENV) $(VENV2) $(VENV3) $(VENV4) .venv-bootstrap build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments. `wheel` is for lstchain's older requirements, which pip would otherwise install in a
# way that it warns of. The stamp files say what has been installed, so that nothing is installed twice

$(VENV)/.installed-demo: $(PACKAGING) | $(VENV)/.made
	@echo "Installing ASTRAN with lstchain into $(VENV) (some minutes the first time) ..."
	$(BIN)/pip install -q wheel
	$(BIN)/pip install -q -e '.[lst,demo]'
	@touch $@

$(VENV)/.installed-test: $(PACKAGING) | $(VENV)/.made
	@echo "Installing ASTRAN with lstchain and the test tools into $(VENV) ..."
	$(BIN)/pip install -q wheel
	$(BIN)/pip install -q -e '.[lst,demo,test]'
	@touch $@ $(VENV)/.installed-demo

$(VENV2)/.installed: $(PACKAGING) | $(VENV2)/.made
	$(BIN2)/pip install -q 'gammapy>=2.1'
	$(BIN2)/pip install -q '.[test]'
	@touch $@

$(VENV3)/.installed: | $(VENV3)/.made
	$(VENV3)/bin/pip install -q wheel
	$(VENV3)/bin/pip install -q 'lstchain>=0.10.18,<0.11'
	@touch $@

$(VENV4)/.installed: | $(VENV4)/.made
	$(VENV4)/bin/pip install -q roc-validator
	@touch $@


check-python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. Install Python 3.11 or newer:"; \
	  echo "  sudo apt-get install python3 python3-venv"; \
	  echo "or name another one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ASTRAN needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
	  echo "Name another one: make PYTHON=python3.12 ..."; exit 1; }

# Debian splits ensurepip off into python3-venv; without it virtualenv does as well
%/.made: | check-python
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  $(PYTHON) -m venv $*; \
	elif $(PYTHON) -c 'import virtualenv' 2>/dev/null; then \
	  $(PYTHON) -m virtualenv -q $*; \
	elif $(PYTHON) -m pip install -q --target .venv-bootstrap virtualenv 2>/dev/null; then \
	  PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv -q $*; \
	else \
	  echo "$(PYTHON) cannot make environments. Install what is missing:"; \
	  if [ "$$(id -u)" -eq 0 ]; then echo "  apt-get install python3-venv"; \
	  else echo "  sudo apt-get install python3-venv"; fi; \
	  exit 1; \
	fi
	@touch $@
