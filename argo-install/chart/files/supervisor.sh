
b=$0 in=$1 out=$2 server_folder=$3 work=$4 within=$5
shift 5
temporary="$*" server= started= listener= own= last= names= before= ending= furniture=

say() { echo "$*" > "$out/.new" && "$b" mv "$out/.new" "$out/state"; }

end() { # everything else here is killed with it
  trap '' TERM
  [ "$ending" ] || { ending=yes started=; sweep; [ ! "$listener" ] || wait $listener; }
  say "$*"
  kill -9 -1
  exit 0
} 2> /dev/null

now() { read -r up _ < /proc/uptime; now=${up%.*}${up#*.}; }

look_at() { # its state, when it started, and its session, which no process can choose
  state= session= since= stat=
  while read -r part || [ "$part" ]; do stat="$stat $part"; done < "/proc/$1/stat" || return 1
  set -- ${stat##*) }
  state=$1 session=$4 since=${20}
} 2> /dev/null

lives() { look_at "$server" && [ "$state" != Z ] && [ "$since" = "$started" ]; } # and is no other of its number

serves() { [ ! "$server" ] || lives; }

sweep() { # kill what is neither the server's nor ours, until nothing of it is left
  rounds=0 left=yes kept=none
  lives && kept=$server
  while [ "$left" ]; do
    left=
    for folder in /proc/[0-9]*; do
      pid=${folder#/proc/}
      [ "$pid" = 1 ] || ! look_at "$pid" && continue
      case $state in Z | X) continue ;; esac
      [ "$session" = "$own" ] || [ "$session" = "$kept" ] && continue
      kill -9 "$pid" 2> /dev/null
      left=yes
    done
    rounds=$$((rounds + 1))
    [ $rounds -lt 200 ] || end "ended: what the scanner started cannot be ended"
  done
}

empty() {
  for each in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$each" ] || [ -L "$each" ] || continue
    "$b" rm -rf "$each" 2> /dev/null && continue
    [ -L "$each" ] || "$b" chmod -R u+rwX "$each" 2> /dev/null
    "$b" rm -rf "$each" 2> /dev/null
  done
}

left() { "$b" find "$out" "$work" $temporary -xdev 2>&1 | "$b" sort; }

empty_all() {
  for each_folder in "$out" "$work" $temporary; do empty "$each_folder"; done
  [ "$$(left)" = "$furniture" ] || end "ended: a folder cannot be emptied"
}

watch() { # end a process after some seconds, or when the clock is rung
  (read -r -t "$2" _ <> "$in/clock"; : > "$out/.late"; kill -9 "-$1") 7>&- 8>&- 2> /dev/null &
  watcher=$!
}

watched() { # whether it was ended; the watcher may not have got so far that it lets go of what we do at a SIGTERM
  kill -9 "$watcher"
  wait "$watcher"
  [ -e "$out/.late" ] && "$b" rm -f "$out/.late"
} 2> /dev/null

become() { # a command of the scanner's image, where this shell would take a program of its own by that name
  own_variables
  program=$1 rest=$PATH:
  shift
  case $program in
    */*) rest= ;;
  esac
  while [ "$rest" ]; do
    folder=${rest%%:*} rest=${rest#*:}
    [ -f "$folder/$program" ] && [ -x "$folder/$program" ] && program=$folder/$program && break
  done
  exec "$b" setsid "$program" "$@"
}

listed() { # what a server has: name by name, with what tells one from another of that name
  for each in "$server_folder"/* "$server_folder"/.[!.]* "$server_folder"/..?*; do
    [ -e "$each" ] || [ -L "$each" ] && "$b" stat -c '%i %f %n' "$each" 2> /dev/null
  done
}

start_server() {
  empty "$server_folder"
  "$b" tail -c 4000 < "$in/said" > "$out/server" 7>&- &
  listener=$!
  (. "$in/start"; cd "$server_folder"; become "$@") < /dev/null > "$in/said" 2>&1 7>&- &
  server=$!
  look_at $server; started=$since
  now; until=$$((now + within * 100))
  while :; do
    (. "$in/ready"; cd "$server_folder"; become "$@") < /dev/null > /dev/null 2>&1 7>&- &
    asked=$!
    watch $asked 20
    wait $asked; answer=$?
    watched && answer=1
    serves || end "unready: the server ended"
    [ $answer = 0 ] && break
    now; [ "$now" -lt "$until" ] || end "unready: the server does not answer after $within s"
    "$b" usleep 100000
  done
  sweep
  names=$$(listed)
}

tidy_server() { # without what came to be since it was ready; and is the rest what it was
  listed > "$out/.listed"
  while read -r line; do
    case "
$names
" in *"
$line
"*) continue ;; esac
    rest=${line#* }
    "$b" rm -rf "${rest#* }" 2> /dev/null
  done < "$out/.listed"
  [ "$$(listed)" = "$names" ]
}

run() {
  empty_all
  say ready
  echo "$id" > "$out/.new" && "$b" mv "$out/.new" "$out/begun"
  now; began=$now
  "$b" tail -c 16000 < "$in/log" > "$out/log" 7>&- &
  teller=$!
  exec 8> "$in/log"
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
  echo "$id $how $code $$((now - began))" > "$out/.new" && "$b" mv "$out/.new" "$out/result"
  last=$id
  case $how in
    stopped) end "ended: a cell did not end by itself" ;;
    lost) end "ended: the server ended" ;;
  esac
  [ ! "$server" ] || tidy_server || end "ended: what the server has was replaced"
}

[ $$$ -lt 10 ] || { echo "a PID namespace of its own is needed"; exit 64; }
trap 'end ended' TERM
cd /
("$b" cat "$in/held" > /dev/null; kill -TERM $$$) 2> /dev/null &
exec 7<> "$in/bell"
look_at $$$; own=$session
[ -f "$out/begun" ] && read -r before < "$out/begun"
if [ ! "$before" ]; then
  for each_folder in "$out" "$work" $temporary; do empty "$each_folder"; done
  furniture=$$(left) # what is mounted within these
else
  furniture=$$(for each_folder in "$out" "$work" $temporary; do echo "$each_folder"; done | "$b" sort)
fi
if [ "$before" ] && [ ! -e "$out/result" ]; then
  empty_all
  echo "$before lost 0 0" > "$out/.new" && "$b" mv "$out/.new" "$out/result"
fi
[ "$before" ] && last=$before
say starting
[ -f "$in/start" ] && start_server
say ready
while :; do
  if [ -e "$in/end" ]; then end ended; fi
  if [ -f "$in/request" ]; then
    . "$in/request"
    if [ "$id" != "$last" ]; then
      serves || end "ended: the server ended"
      run "$@"
      continue
    fi
  fi
  read -r -t 1 _ <&7
  serves || end "ended: the server ended"
done
