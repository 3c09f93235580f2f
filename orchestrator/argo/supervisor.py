"""What keeps a scanner running, so that its own image, unchanged, reads one target after the other.

A static program of ours with the script below is started once in the scanner's container or sandbox, which has a PID
namespace of its own. It starts the server of the scan's template (`warm`), where it has one, and then runs one cell
after the other, as a feeder beside it asks for them. It needs nothing of the scanner's image, not even a shell, and
knows nothing of who runs it: a pod, a container runtime or a sandbox.

Four folders, which the scanner has wherever they are mounted:

inputs    the feeder writes; the scanner reads, and cannot write
  busybox   what runs the script
  files/    the template's `warm.files`
  start     words of the server, `ready` those of the command that ends with 0 once it answers; see `command_words`
  cell/     what the current cell reads
  request   the cell that is wanted, by rename; see `request_words`
  end       wanted instead of a further cell: the end
  bell, clock, said, log, held   pipes: rung after each change of `request` and `end`; rung to end the cell that runs;
            what the server says, and what the scanner does; held open to write for as long as the feeder is there
outputs   the supervisor writes; the feeder takes a file for hostile, and reads no more of it than it must
  state     `starting`, `ready`, or why there is nothing any more: `unready`, `ended`; after that the supervisor ends
  begun     the cell that was begun last
  result    by rename: how it ended, see `CellResult`
  log       the end of what the scanner of that cell said
  server    the same of the server, when it has ended
server    the server's own: its folder `{server}`
work      the cell's own: its folder `{workdir}`, with its report

A cell's folders are emptied before it begins: work, outputs, and the temporary folders and shared memory of the
container. Of `server` that is kept which is there when the server is ready; if any of that has been replaced, the
server has to be started again. When a cell's command ends, everything that does not belong to the server or to the
supervisor is killed before the result is written, wherever it has forked to.

The supervisor ends, and with it the container or sandbox, when a cell did not end by itself, when its server or its
feeder has ended, or when something cannot be emptied. What runs it starts it again, with the same folders. A cell that
was begun by a supervisor that was killed has the result `lost` from the next one, which does not run it by itself.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What is in the folder of inputs, and of outputs.
PROGRAM_NAME, FILES, CELL = "busybox", "files", "cell"
START, READY, REQUEST, END = "start", "ready", "request", "end"
BELL, CLOCK, SAID, LOG, HELD = "bell", "clock", "said", "log", "held"
STATE, BEGUN, RESULT, SERVER_LOG = "state", "begun", "result", "server"
#: The pipes, which the feeder makes: anybody may write and read them, and nobody has to.
PIPES = (BELL, CLOCK, SAID, LOG, HELD)
#: Most bytes of the end of a log, and of a file that says how something stands.
LOG_BYTES, WORD_BYTES = 16_000, 4_000
#: Seconds for one look whether a server is ready.
_LOOK = 20

_RESULT = re.compile(
    r"(?P<id>[0-9]{1,12}) (?P<how>exit|stopped|lost) (?P<code>[0-9]{1,3}) (?P<hundredths>[0-9]{1,12})\s*"
)

_SCRIPT = rf"""
b=$0 in=$1 out=$2 server_folder=$3 work=$4 within=$5
shift 5
temporary="$*" server= started= listener= own= last= names= before= ending= furniture=

say() {{ echo "$*" > "$out/.new" && "$b" mv "$out/.new" "$out/{STATE}"; }}

end() {{ # everything else here is killed with it
  trap '' TERM
  [ "$ending" ] || {{ ending=yes started=; sweep; [ ! "$listener" ] || wait $listener; }}
  say "$*"
  kill -9 -1
  exit 0
}} 2> /dev/null

now() {{ read -r up _ < /proc/uptime; now=${{up%.*}}${{up#*.}}; }}

look_at() {{ # its state, when it started, and its session, which no process can choose
  state= session= since= stat=
  while read -r part || [ "$part" ]; do stat="$stat $part"; done < "/proc/$1/stat" || return 1
  set -- ${{stat##*) }}
  state=$1 session=$4 since=${{20}}
}} 2> /dev/null

lives() {{ look_at "$server" && [ "$state" != Z ] && [ "$since" = "$started" ]; }} # and is no other of its number

serves() {{ [ ! "$server" ] || lives; }}

sweep() {{ # kill what is neither the server's nor ours, until nothing of it is left
  rounds=0 left=yes kept=none
  lives && kept=$server
  while [ "$left" ]; do
    left=
    for folder in /proc/[0-9]*; do
      pid=${{folder#/proc/}}
      [ "$pid" = 1 ] || ! look_at "$pid" && continue
      case $state in Z | X) continue ;; esac
      [ "$session" = "$own" ] || [ "$session" = "$kept" ] && continue
      kill -9 "$pid" 2> /dev/null
      left=yes
    done
    rounds=$((rounds + 1))
    [ $rounds -lt 200 ] || end "ended: what the scanner started cannot be ended"
  done
}}

empty() {{
  for each in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$each" ] || [ -L "$each" ] || continue
    "$b" rm -rf "$each" 2> /dev/null && continue
    [ -L "$each" ] || "$b" chmod -R u+rwX "$each" 2> /dev/null
    "$b" rm -rf "$each" 2> /dev/null
  done
}}

left() {{ "$b" find "$out" "$work" $temporary -xdev 2>&1 | "$b" sort; }}

empty_all() {{
  for each_folder in "$out" "$work" $temporary; do empty "$each_folder"; done
  [ "$(left)" = "$furniture" ] || end "ended: a folder cannot be emptied"
}}

watch() {{ # end a process after some seconds, or when the clock is rung
  (read -r -t "$2" _ <> "$in/{CLOCK}"; : > "$out/.late"; kill -9 "-$1") 7>&- 8>&- 2> /dev/null &
  watcher=$!
}}

watched() {{ # whether it was ended; the watcher may not have got so far that it lets go of what we do at a SIGTERM
  kill -9 "$watcher"
  wait "$watcher"
  [ -e "$out/.late" ] && "$b" rm -f "$out/.late"
}} 2> /dev/null

become() {{ # a command of the scanner's image, where this shell would take a program of its own by that name
  own_variables
  program=$1 rest=$PATH:
  shift
  case $program in
    */*) rest= ;;
  esac
  while [ "$rest" ]; do
    folder=${{rest%%:*}} rest=${{rest#*:}}
    [ -f "$folder/$program" ] && [ -x "$folder/$program" ] && program=$folder/$program && break
  done
  exec "$b" setsid "$program" "$@"
}}

listed() {{ # what a server has: name by name, with what tells one from another of that name
  for each in "$server_folder"/* "$server_folder"/.[!.]* "$server_folder"/..?*; do
    [ -e "$each" ] || [ -L "$each" ] && "$b" stat -c '%i %f %n' "$each" 2> /dev/null
  done
}}

start_server() {{
  empty "$server_folder"
  "$b" tail -c {WORD_BYTES} < "$in/{SAID}" > "$out/{SERVER_LOG}" 7>&- &
  listener=$!
  (. "$in/{START}"; cd "$server_folder"; become "$@") < /dev/null > "$in/{SAID}" 2>&1 7>&- &
  server=$!
  look_at $server; started=$since
  now; until=$((now + within * 100))
  while :; do
    (. "$in/{READY}"; cd "$server_folder"; become "$@") < /dev/null > /dev/null 2>&1 7>&- &
    asked=$!
    watch $asked {_LOOK}
    wait $asked; answer=$?
    watched && answer=1
    serves || end "unready: the server ended"
    [ $answer = 0 ] && break
    now; [ "$now" -lt "$until" ] || end "unready: the server does not answer after $within s"
    "$b" usleep 100000
  done
  sweep
  names=$(listed)
}}

tidy_server() {{ # without what came to be since it was ready; and is the rest what it was
  listed > "$out/.listed"
  while read -r line; do
    case "
$names
" in *"
$line
"*) continue ;; esac
    rest=${{line#* }}
    "$b" rm -rf "${{rest#* }}" 2> /dev/null
  done < "$out/.listed"
  [ "$(listed)" = "$names" ]
}}

run() {{
  empty_all
  say ready
  echo "$id" > "$out/.new" && "$b" mv "$out/.new" "$out/{BEGUN}"
  now; began=$now
  "$b" tail -c {LOG_BYTES} < "$in/{LOG}" > "$out/{LOG}" 7>&- &
  teller=$!
  exec 8> "$in/{LOG}"
  (
    cd "$work" || exit 126
    exec 2>&8 < /dev/null
    if [ "$printed" ]; then exec > "$printed"; else exec >&8; fi
    exec 7>&- 8>&-
    become "$@"
  ) &
  scanner=$!
  watch $scanner "$timeout"
  wait $scanner; code=$?
  how=exit; watched && how=stopped
  sweep
  exec 8>&-
  wait $teller
  serves || how=lost
  now
  echo "$id $how $code $((now - began))" > "$out/.new" && "$b" mv "$out/.new" "$out/{RESULT}"
  last=$id
  case $how in
    stopped) end "ended: a cell did not end by itself" ;;
    lost) end "ended: the server ended" ;;
  esac
  [ ! "$server" ] || tidy_server || end "ended: what the server has was replaced"
}}

[ $$ -lt 10 ] || {{ echo "a PID namespace of its own is needed"; exit 64; }}
trap 'end ended' TERM
cd /
("$b" cat "$in/{HELD}" > /dev/null; kill -TERM $$) 2> /dev/null &
exec 7<> "$in/{BELL}"
look_at $$; own=$session
[ -f "$out/{BEGUN}" ] && read -r before < "$out/{BEGUN}"
if [ ! "$before" ]; then
  for each_folder in "$out" "$work" $temporary; do empty "$each_folder"; done
  furniture=$(left) # what is mounted within these
else
  furniture=$(for each_folder in "$out" "$work" $temporary; do echo "$each_folder"; done | "$b" sort)
fi
if [ "$before" ] && [ ! -e "$out/{RESULT}" ]; then
  empty_all
  echo "$before lost 0 0" > "$out/.new" && "$b" mv "$out/.new" "$out/{RESULT}"
fi
[ "$before" ] && last=$before
say starting
[ -f "$in/{START}" ] && start_server
say ready
while :; do
  if [ -e "$in/{END}" ]; then end ended; fi
  if [ -f "$in/{REQUEST}" ]; then
    . "$in/{REQUEST}"
    if [ "$id" != "$last" ]; then
      serves || end "ended: the server ended"
      run "$@"
      continue
    fi
  fi
  read -r -t 1 _ <&7
  serves || end "ended: the server ended"
done
"""


class CellResult(NamedTuple):
    """How a cell ended in the supervisor.

    Attributes:
        id: of the request.
        how: `exit`: its command ended; `stopped`: it was ended, after its timeout or by the clock; `lost`: its server,
            or the supervisor itself, ended meanwhile, so that the cell is to be run again.
        code: exit code of its command.
        seconds: that it took.
    """

    id: int
    how: str
    code: int
    seconds: float


class SupervisorPlaces(NamedTuple):
    """The four folders, and those to empty, as the scanner sees them."""

    inputs: str
    outputs: str
    server: str
    work: str
    temporary: tuple[str, ...] = ("/tmp", "/dev/shm")  # noqa: S108 - of the scanner's container


def supervisor_command(places: SupervisorPlaces, *, within: int) -> list[str]:
    """The command of the scanner's container.

    Args:
        places: its folders; the names of the temporary ones have no blanks.
        within: seconds that the server has to become ready.
    """
    program = f"{places.inputs}/{PROGRAM_NAME}"
    folders = (places.inputs, places.outputs, places.server, places.work)
    return [program, "sh", "-c", _SCRIPT, program, *folders, str(within), *places.temporary]


def command_words(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """The text of `start` and of `ready`: a command, and what it gets beside the container's own variables."""
    variables = shlex.join(f"{name}={value}" for name, value in environment.items())
    return f"own_variables() {{ {f'export {variables}' if variables else ':'}; }}\nset -- {shlex.join(words)}\n"


def request_words(
    number: int, words: Sequence[str], environment: Mapping[str, str], *, timeout: int, printed: str = ""
) -> str:
    """The text of `request`: a cell.

    Args:
        number: of the request, which no other has, from 1.
        words: of its command.
        environment: what it gets beside the container's own variables.
        timeout: seconds that it may take.
        printed: path of the report where the scanner prints it.
    """
    return f"id={number} timeout={timeout} printed={shlex.quote(printed)}\n{command_words(words, environment)}"


def read_result(text: str) -> CellResult | None:
    """What a file `result` says; None for what is none."""
    found = _RESULT.fullmatch(text)
    if not found:
        return None
    return CellResult(int(found["id"]), found["how"], int(found["code"]), int(found["hundredths"]) / 100)
