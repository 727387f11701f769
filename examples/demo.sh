#!/bin/sh
# The main job, from a script that knows nothing of Trilha to the trail of its model.
# usage: demo.sh BIN MODEL DOCUMENT   (the environment's bin folder, the saved model, where to export)
set -eu
bin=$1 model=$2 document=$3

say() {
    printf '\n==> %s\n' "$*"
    PATH="$bin:$PATH" "$@"
}

say trilha run examples/digits.py
say trilha show last
say trilha lineage "$model"
say trilha export last -o "$document"

cat <<END

The run as a W3C PROV document: $document

Three commands to try next:
  $bin/trilha lineage examples/data/digits.csv --downstream    what came of the raw data
  $bin/trilha list                                             every run so far; make demo adds one
  $bin/trilha show last --json                                 the run again, for programs
END
