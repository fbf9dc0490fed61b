#!/bin/sh
# A stand-in for Claude Code that does what the lines of a mail say:
#   token: T      names the mail; its run leaves a line in /storage/runs, and the answer says `Done: T`
#   work: N       takes so many seconds
#   want: NAME    the answer says whether the file is in /inbox
#   give: NAME    a file for the answer
#   turn: WORD    silent, fail, crash, hang; or limit, overload: once for each mail, and then it goes well
resumed=fresh
while [ $# -gt 0 ]; do
    case $1 in --resume) resumed=resumed ;; esac
    shift
done
prompt=$(cat)
asked() { printf '%s\n' "$prompt" | tr -d '\r' | sed -n "s/^$1: \([A-Za-z0-9.-]*\) *$/\1/p"; }
result() { printf '{"type":"result","num_turns":2,"total_cost_usd":0.01,%s}\n' "$1"; }
case $prompt in
'Your work on the following mail '*) how=continued ;;
*'The conversation so far could not be continued;'*) how=afresh ;;
*) how=first ;;
esac
echo '{"type":"system","subtype":"init","session_id":"11111111-2222-4333-8444-555555555555"}'
tokens=$(asked token | tr '\n' ' ')
for token in $tokens; do echo "$token $resumed $how" >>/storage/runs; done
text="Done: ${tokens% }"
for seconds in $(asked work); do sleep "$seconds"; done
for name in $(asked want); do
    if [ -s "/inbox/$name" ]; then text="$text\n\nHere: $name"; else text="$text\n\nMissing: $name"; fi
done
# The disk may be full.
for name in $(asked give); do
    echo "$name of $tokens" >"/outbox/$name" || text="$text\n\nNo room for $name"
done
first=${tokens%% *}
for turn in $(asked turn); do
    case $turn in
    silent) text= ;;
    fail) result '"is_error":true,"result":"It went wrong."'; exit 1 ;;
    crash) echo 'it fell over' >&2; exit 3 ;;
    hang) sleep 3600 ;;
    limit | overload)
        [ ! -e "/storage/$turn-$first" ] || continue
        touch "/storage/$turn-$first"
        if [ "$turn" = limit ]; then
            printf '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":%s}}\n' $(($(date +%s) + 60))
            result '"is_error":true,"api_error":"usage_limit_reached","api_error_status":429,"result":"The limit is reached."'
        else
            result '"is_error":true,"api_error_status":529,"result":"API Error: 529 Overloaded"'
        fi
        exit 1
        ;;
    esac
done
result "\"is_error\":false,\"result\":\"$text\""
