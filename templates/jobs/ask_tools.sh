#!/bin/bash
# Runs inside an lstchain environment: bash ask_tools.sh FOLDER ASKER TOOL...
# Writes the paths of the tools into FOLDER/tools; then ASKER asks them with the Python of the first.
set -u
folder=$1 asker=$2
shift 2
for tool in "$@"; do
    command -v "$tool" >> "$folder/tools"
done
first=$(command -v "$1") || exit 0
# the interpreter that the tool names in its first lines
python=$(head -n 2 "$first" | grep -a -o -m 1 '/[^ ]*/python[0-9.]*' | head -n 1)
cd "$folder" && exec "${python:-python3}" "$asker" "$folder" "$@"
