"""How a scanner's own image reads one stored SBOM after the other, though it may have nothing but the scanner.

A static program of ours, which the container before it put beside the SBOMs, runs the scanner's command once for each:
with the same words each time, because the SBOM, the report and the temporary files are always in the same places.

/sboms/busybox           what runs the loop; the folder is read-only
/sboms/cells/<name>      an SBOM; the name is that of its cell in the batch
/scan/sbom.json          the one that is read just now
/scan/.cells/<name>/     what is left of a cell: `.begun`; the report, under its own name; then `.exit`, its exit code
                         and how many seconds it took; and of one that failed the end of what it said, `.log`

All that a scanner makes of these folders concerns nobody but cells of its own scan in its own batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.volume.layout import SBOM

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes that the SBOMs of a batch may have together, on the disk of its pod's node.
MOST_TOGETHER = 4 * 1024**3
#: Where the SBOMs of a batch are, in our own containers as in the scanner's; in there, the program and the SBOMs.
SBOMS = "/sboms"
PROGRAM_NAME, CELLS = "busybox", "cells"
#: In the folder that the scanner writes, what is left of cells; in there, the files of ours.
LEFT = ".cells"
BEGUN, EXIT, LOG = ".begun", ".exit", ".log"
#: A pipe that nobody writes: what waits for it waits for the timeout, without a process of its own that would be left.
#: Argo's first process of a container takes a second for each of those before it notices that the container has ended.
_WATCH = ".watch"
#: Most bytes of the end of a scanner's log.
LOG_BYTES = 16_000

_SCRIPT = f"""\
b=$0 timeout=$1 report=$2 printed=$3 temporary=$4 shared=$5
shift 5
scan=${{report%/*}}
for sbom in "${{b%/*}}/{CELLS}"/*; do
  [ -f "$sbom" ] || continue
  own=$scan/{LEFT}/${{sbom##*/}} log=$scan/{LEFT}/{LOG}
  "$b" rm -rf "$report" "$scan/{SBOM}" "$temporary"/* "$temporary"/.[!.]* "$shared"/* "$shared"/.[!.]*
  "$b" mkdir -p "$own" && "$b" mkfifo "$own/{_WATCH}" && "$b" cp "$sbom" "$scan/{SBOM}" || continue
  begun=$("$b" date +%s)
  : > "$own/{BEGUN}"
  if [ "$printed" ]; then
    "$b" setsid "$@" < /dev/null > "$report" 2> "$log" &
  else
    "$b" setsid "$@" < /dev/null > "$log" 2>&1 &
  fi
  scanner=$!
  (read -r -t "$timeout" _ <> "$own/{_WATCH}"; kill -9 -$scanner) &
  wait $scanner
  code=$?
  kill $! 2> /dev/null
  wait $! 2> /dev/null
  kill -9 -$scanner 2> /dev/null
  "$b" mv "$report" "$own/${{report##*/}}" 2> /dev/null
  if [ "$code" != 0 ]; then
    "$b" tail -c {LOG_BYTES} "$log" > "$own/{LOG}"
    echo "${{sbom##*/}}: exit code $code"
    "$b" cat "$own/{LOG}"
  fi
  echo "$code $(($("$b" date +%s) - begun))" > "$own/{EXIT}.new"
  "$b" mv "$own/{EXIT}.new" "$own/{EXIT}"
done
exit 0
"""


def loop(
    command: Sequence[str],
    *,
    timeout: int,
    report: str,
    printed: bool,
    program: str = f"{SBOMS}/{PROGRAM_NAME}",
    temporary: tuple[str, str],
) -> list[str]:
    """The command of the container that reads a batch.

    Args:
        command: the scanner's, word for word.
        timeout: seconds that it may take for one SBOM.
        report: path of the report that it writes, in the folder where it has the SBOM.
        printed: whether it prints the report instead.
        program: that runs the loop.
        temporary: the folders that are emptied before each SBOM: of temporary files, and of shared memory.
    """
    return [program, "sh", "-c", _SCRIPT, program, str(timeout), report, "yes" if printed else "", *temporary, *command]


def cell_name(place: int) -> str:
    """The name of a cell within its batch, by its place from 1; as the loop sorts them."""
    return f"{place:04}"
