#!/usr/bin/env bash
# One leg of a training run, on a machine that starts bare and is lent for minutes.
#
#   bash scripts/leg.sh RECIPE SEED MINUTES [OPTIONS OF cairn train ...]
#
# Takes, from the folder .leg: cairn.js, the program in one file; corpus.tar.xz, the training text;
# and, to go on with a run of another machine, what its last leg left in $OUT.
# Leaves the run in .leg/NAME, NAME being the recipe's and the seed, so that the next leg on this
# machine goes on by itself; and in $OUT (.leg/out) NAME.losses.jsonl and either NAME.piece.*, which
# together are the checkpoint, each below 16 MiB, or the finished model, NAME/.
set -euo pipefail
recipe=$1 seed=$2 minutes=$3
shift 3
name=$(basename "$recipe" .json)-$seed
leg=.leg run=.leg/$name out=${OUT:-.leg/out}
state=$run/training.safetensors
mkdir -p "$run" "$out"

if [[ ! -d corpus && -f $leg/corpus.tar.xz ]]; then
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(".")' "$leg/corpus.tar.xz"
fi
if [[ ! -f $state && -f $leg/$name.piece.0 ]]; then
  cat "$leg/$name".piece.* >"$state"
  cp "$leg/$name.losses.jsonl" "$run/losses.jsonl"
fi
resume=()
if [[ -f $state ]]; then resume=(--resume); fi

sed -E "s/(\"seed\": *)[0-9]+/\1$seed/" "$recipe" >"$run/recipe.json"
deno run -A "$leg/cairn.js" train "$run/recipe.json" --out "$run" --minutes "$minutes" "${resume[@]}" "$@"

cp "$run/losses.jsonl" "$out/$name.losses.jsonl"
if [[ -d $run/model ]]; then
  cp -r "$run/model" "$out/$name"
else
  split -b 13500000 -d -a 1 "$state" "$out/$name.piece."
fi
