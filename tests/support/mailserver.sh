#!/usr/bin/env bash
# A real mail server for the tests, on free loopback ports: Postfix takes mail by SMTP and hands it by
# LMTP to Dovecot, which keeps it in Maildirs and serves it by IMAP.
#
#   mailserver.sh start DIR   start it with all its state in DIR, which must not exist or be empty
#   mailserver.sh stop DIR    end exactly the processes that `start DIR` started
#   mailserver.sh serve DIR   start, print "ready", wait for the end of standard input, stop, remove DIR
#   mailserver.sh down DIR NAME, up DIR NAME
#                             end `dovecot` or `postfix` alone, as a crash does, and start it again on its ports
#
# Any user name exists, with the one password "test", or with an access token: a JWT of "sub" and "exp" that is signed
# by HS256 with DIR/ports' TOKEN_KEY. Each test invents mailboxes of its own, and tests run side by side. DIR/ports
# holds what clients need. Postfix's master must be started by root.
#
# It vouches as a receiving server does: the envelope sender's domain decides the Authentication-Results
# it puts above all others. example.com and other.example pass, evil.example fails, flaky.example is
# temperror, bare.example gets none, all others are dmarc=none. What a mail brings along stays below it.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

AUTHSERV_ID=mx.example.com
PASSWORD="test"
OWNER=mail # a system user every Debian has; the Maildirs are its

die() { echo "mailserver.sh: $*" >&2; exit 1; }

# A port that nothing listens on, below the kernel's ephemeral range so that no outgoing connection and
# no "port 0" of a test running beside this takes it.
free_port() {
    local port
    for _ in $(seq 1 200); do
        port=$((RANDOM % 20000 + 10240))
        grep -qi ":$(printf '%04X' "$port") " /proc/net/tcp /proc/net/tcp6 2>/dev/null || { echo "$port"; return; }
    done
    die "no free port"
}

certificates() {
    local tls=$1
    mkdir -p "$tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=airut test CA" \
        -keyout "$tls/ca.key" -out "$tls/ca.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" \
        -keyout "$tls/server.key" -out "$tls/server.csr" 2>/dev/null
    openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -days 30 \
        -extfile <(echo "subjectAltName=DNS:localhost,DNS:$AUTHSERV_ID,IP:127.0.0.1") \
        -out "$tls/server.pem" 2>/dev/null
}

dovecot_config() {
    # One process for all logins: a process for each costs more than the login.
    local dir=$1 one_process="restart_request_count = unlimited"
    case $(dovecot --version) in
    2.[0-3].*)
        one_process="service_count = 0"
        cat <<CONF
ssl_cert = <$dir/tls/server.pem
ssl_key = <$dir/tls/server.key
disable_plaintext_auth = no
auth_username_format = %Ln
mail_location = maildir:~/Maildir
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $dir/oauth2.conf
}
passdb {
  driver = static
  args = password=$PASSWORD
  mechanisms = plain login
}
userdb {
  driver = static
  args = uid=$OWNER gid=$OWNER home=$dir/mail/%n allow_all_users=yes
}
CONF
        ;;
    *)
        cat <<CONF
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
ssl_server_cert_file = $dir/tls/server.pem
ssl_server_key_file = $dir/tls/server.key
auth_allow_cleartext = yes
auth_username_format = %{user | username | lower}
mail_driver = maildir
mail_path = ~/Maildir
oauth2 {
  introspection_mode = local
  username_attribute = sub
  oauth2_local_validation {
    dict fs {
      fs posix {
        prefix = $dir/keys/
      }
    }
  }
}
passdb oauth2 {
  mechanisms_filter = xoauth2 oauthbearer
}
passdb static {
  password = $PASSWORD
  mechanisms_filter = plain login
}
userdb static {
  allow_all_users = yes
  fields {
    uid = $OWNER
    gid = $OWNER
    home = $dir/mail/%{user | username | lower}
  }
}
CONF
        ;;
    esac
    cat <<CONF
base_dir = $dir/run/dovecot
state_dir = $dir/run/dovecot-state
log_path = $dir/log/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain login xoauth2 oauthbearer
first_valid_uid = 1
recipient_delimiter = +
mail_max_userip_connections = 500
auth_failure_delay = 0
namespace inbox {
  inbox = yes
}
# Tests fail to sign in on purpose; the pause for whoever does so would grow to 15 seconds, for all of them.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  $one_process
  client_limit = 1000
  inet_listener imap {
    port = $IMAP_PORT
  }
  inet_listener imaps {
    port = $IMAPS_PORT
    ssl = yes
  }
}
service imap {
  process_limit = 500
}
service lmtp {
  process_min_avail = 2
  unix_listener $dir/run/lmtp {
    mode = 0666
  }
}
service auth {
  unix_listener $dir/run/auth {
    mode = 0666
  }
}
protocol lmtp {
  postmaster_address = postmaster@$AUTHSERV_ID
}
CONF
}

# Access tokens are checked by themselves, without asking anybody; this is the key of tokens that name none.
token_key() {
    local dir=$1
    mkdir -p "$dir/keys/default/HS256"
    printf %s "$TOKEN_KEY" | base64 -w0 >"$dir/keys/default/HS256/default"
    printf '%s\n' "introspection_mode = local" "username_attribute = sub" \
        "local_validation_key_dict = fs:posix:prefix=$dir/keys/" >"$dir/oauth2.conf"
}

postfix_config() {
    local dir=$1 post=$1/postfix daemons
    daemons=$(postconf -d -h daemon_directory)
    cat >"$post/conf/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $post/spool
data_directory = $post/data
daemon_directory = $daemons
shlib_directory = $(postconf -d -h shlib_directory)
mail_owner = postfix
setgid_group = postdrop
maillog_file = $dir/log/postfix.log
maillog_file_prefixes = $dir
myhostname = $AUTHSERV_ID
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
# Every domain ends here, so that a test can also show that nothing was sent somewhere.
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all
virtual_transport = lmtp:unix:$dir/run/lmtp
message_size_limit = 104857600
mailbox_size_limit = 0
virtual_mailbox_limit = 0
recipient_delimiter = +
smtputf8_enable = no
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
# At DATA it is looked up once, however many recipients there are, and lands above all of the mail's own headers.
smtpd_data_restrictions = check_sender_access regexp:$post/conf/vouch
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $dir/run/auth
smtpd_sasl_local_domain = $AUTHSERV_ID
smtpd_tls_cert_file = $dir/tls/server.pem
smtpd_tls_key_file = $dir/tls/server.key
smtpd_tls_security_level = may
# Tests are quick and many; nothing here is to slow them down.
in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
queue_run_delay = 5s
minimal_backoff_time = 1s
maximal_backoff_time = 5s
CONF
    {
        for domain in example.com other.example; do
            echo "/@${domain/./\\.}\$/ PREPEND Authentication-Results: $AUTHSERV_ID; dmarc=pass header.from=$domain"
        done
        echo "/@evil\\.example\$/ PREPEND Authentication-Results: $AUTHSERV_ID; dmarc=fail header.from=evil.example"
        echo "/@flaky\\.example\$/ PREPEND Authentication-Results: $AUTHSERV_ID; dmarc=temperror header.from=flaky.example"
        echo "/@bare\\.example\$/ DUNNO"
        echo "/./ PREPEND Authentication-Results: $AUTHSERV_ID; dmarc=none"
    } >"$post/conf/vouch"
    cat >"$post/conf/master.cf" <<CONF
127.0.0.1:$SMTP_PORT inet n - n - 200 smtpd
127.0.0.1:$SMTPS_PORT inet n - n - 200 smtpd
    -o smtpd_tls_wrappermode=yes
    -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:$SMALL_PORT inet n - n - 20 smtpd
    -o message_size_limit=100000
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
tlsmgr    unix - - n 1000? 1 tlsmgr
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
CONF
}

postfix_directories() {
    local post=$1/postfix sub
    mkdir -p "$post"/{conf,data,spool}
    chown postfix "$post/data"
    for sub in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        install -d -o postfix -m 700 "$post/spool/$sub"
    done
    install -d "$post/spool/pid"
    install -d -o postfix -g postdrop -m 730 "$post/spool/maildrop"
    install -d -o postfix -g postdrop -m 710 "$post/spool/public"
}

answers() { # PORT: somebody greets there
    local greeting
    { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    IFS= read -r -t 2 greeting <&3 || true
    exec 3>&-
    [ -n "${greeting:-}" ]
}

run() { # DIR NAME
    local dir=$1
    case $2 in
    dovecot) setsid dovecot -F -c "$dir/dovecot.conf" >>"$dir/log/dovecot.out" 2>&1 </dev/null & ;;
    postfix)
        setsid "$(postconf -d -h daemon_directory)/master" -c "$dir/postfix/conf" -d >>"$dir/log/postfix.out" 2>&1 </dev/null &
        ;;
    *) die "there is no $2 here" ;;
    esac
    echo $! >"$dir/run/$2.pid"
}

launch() {
    local dir=$1
    run "$dir" dovecot
    run "$dir" postfix
    for _ in $(seq 1 200); do
        if answers "$IMAP_PORT" && answers "$SMTP_PORT"; then return 0; fi
        kill -0 "$(cat "$dir/run/dovecot.pid")" 2>/dev/null || return 1
        kill -0 "$(cat "$dir/run/postfix.pid")" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

start() {
    local dir=$1 program
    [ "$(id -u)" = 0 ] || die "Postfix must be started by root"
    for program in dovecot postconf openssl setsid; do
        command -v "$program" >/dev/null || die "$program is missing: apt-get install dovecot-imapd dovecot-lmtpd postfix openssl"
    done
    # Dovecot's sockets are the longest paths below it, and a socket path has 107 bytes.
    [ ${#dir} -le 60 ] || die "$dir is too long for the sockets below it"
    [ -z "$(ls -A "$dir" 2>/dev/null)" ] || die "$dir is not empty"
    mkdir -p "$dir"/{run/dovecot,run/dovecot-state,log,mail}
    chmod 755 "$dir"
    chown "$OWNER:$OWNER" "$dir/mail"
    certificates "$dir/tls"
    cp "$dir/tls/ca.pem" "$dir/ca.pem"
    TOKEN_KEY=$(openssl rand -hex 32)
    token_key "$dir"
    postfix_directories "$dir"
    for _ in 1 2 3 4 5; do
        IMAP_PORT=$(free_port) IMAPS_PORT=$(free_port) SMTP_PORT=$(free_port) SMTPS_PORT=$(free_port)
        SMALL_PORT=$(free_port)
        dovecot_config "$dir" >"$dir/dovecot.conf"
        postfix_config "$dir"
        if launch "$dir"; then
            # Written last and by rename: who sees it can use the server.
            printf 'IMAP=%s\nIMAPS=%s\nSMTP=%s\nSMTPS=%s\nSMALL=%s\nAUTHSERV_ID=%s\nPASSWORD=%s\nTOKEN_KEY=%s\n' \
                "$IMAP_PORT" "$IMAPS_PORT" "$SMTP_PORT" "$SMTPS_PORT" "$SMALL_PORT" "$AUTHSERV_ID" "$PASSWORD" \
                "$TOKEN_KEY" >"$dir/ports.new"
            mv "$dir/ports.new" "$dir/ports"
            return 0
        fi
        stop "$dir" # a port was taken between the look and the start: others
    done
    cat "$dir"/log/* >&2
    die "the mail server did not start"
}

end() { # DIR NAME [SIGNAL]
    local dir=$1 pid
    [ -s "$dir/run/$2.pid" ] || return 0
    pid=$(cat "$dir/run/$2.pid")
    rm -f "$dir/run/$2.pid"
    # A number can have gone to another process meanwhile: only what runs on DIR is ours.
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/" || return 0
    kill -"${3:-TERM}" "$pid" 2>/dev/null || return 0
    for _ in $(seq 1 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    # setsid made it the leader of its group; what it left goes with it.
    kill -KILL -- "-$pid" 2>/dev/null || true
}

stop() {
    end "$1" postfix
    end "$1" dovecot
    rm -f "$1/ports"
}

usage() { die "usage: mailserver.sh start|stop|serve DIR | down|up DIR dovecot|postfix"; }

[ $# = 2 ] || [ "$#$1" = 3down ] || [ "$#$1" = 3up ] || usage
case $1 in
start) start "$2" ;;
stop) stop "$2" ;;
down) end "$2" "$3" KILL ;;
up) run "$2" "$3" ;;
serve)
    trap 'stop "$2"; rm -rf -- "$2"' EXIT
    trap '' INT # the terminal's Ctrl-C reaches the tests, whose end is the end of standard input
    start "$2"
    echo ready
    cat >/dev/null
    ;;
*) usage ;;
esac
