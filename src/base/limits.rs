//! Every limit, with its unit and its reason. Nothing in airut grows without one.

use jiff::SignedDuration;
use std::time::Duration;

// Mail in.

/// A larger mail is set aside: most servers stop at 25 to 50 MB, and reading one takes up to ten times its size in memory.
pub const MESSAGE_BYTES: usize = 40 << 20;
/// The whole header block: `mailparse` decodes RFC 2047 words in quadratic time (0.1 s at this size).
pub const HEADER_BYTES: usize = 128 << 10;
/// Headers of one message or part; real mail has under a hundred.
pub const HEADER_COUNT: usize = 1_000;
/// One header's value where it is decoded (subject, file name, type): the decoder is quadratic, under 1 ms at this size.
pub const HEADER_VALUE_BYTES: usize = 4 << 10;
/// UTF-7 that is decoded at once: the decoder is quadratic, 0.1 ms at this size.
pub const UTF7_BYTES: usize = 16 << 10;
/// Addresses taken from one message's recipients.
pub const RECIPIENT_COUNT: usize = 1_000;
/// Sessions that one message's headers may name before the rest is ignored.
pub const ROUTE_COUNT: usize = 50;
/// Characters of a header that a verdict shows.
pub const SAW_CHARS: usize = 300;
/// The most that `max_mail_age_days` may be. With `MAIL_AHEAD` it stays below `REJECTED_AGE`: a mail that is sent again
/// is either still remembered or too old. Held by a test.
pub const MAIL_AGE_DAYS_MAX: u32 = 28;
/// How far a mail's date may lie in the future: zones get lost, clocks go wrong by hours.
pub const MAIL_AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Nested multiparts; deeper is an attack on the parser.
pub const MIME_DEPTH: usize = 30;
/// Parts of one message.
pub const MIME_PARTS: usize = 1_000;
/// The source of an HTML mail that is looked at: Word writes ten times as much as shows, others put pictures in.
pub const HTML_SOURCE_BYTES: usize = 8 << 20;
/// HTML that is converted; the converter is quadratic in depth.
pub const HTML_BYTES: usize = 256 << 10;
/// Tags of HTML that is converted; the converter takes up to 2 KB of memory for each, and with more only its text is taken.
pub const HTML_TAGS: usize = 12_000;
/// Nested elements of HTML that is converted; deeper, only its text is taken.
pub const HTML_DEPTH: usize = 200;
/// The text of one request as given to the agent.
pub const REQUEST_BYTES: usize = 512 << 10;
/// Attachments of one message.
pub const ATTACHMENT_COUNT: usize = 100;
/// A file name in `inbox/` or the answer; most file systems stop at 255.
pub const FILE_NAME_BYTES: usize = 120;
/// One answer of the mail server, a connection attempt included, before it counts as away.
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(60);
/// Reaching one address of the mail server; a name may have several.
pub const MAIL_CONNECT: Duration = Duration::from_secs(20);
/// A silent connection to a mail server is asked for a sign of life after this; routers forget one after minutes.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Between two such questions.
pub const KEEPALIVE_PAUSE: Duration = Duration::from_secs(20);
/// So many without an answer, and the peer is gone.
pub const KEEPALIVE_COUNT: u32 = 3;
/// Between two looks at whether a waiting connection was asked to stop.
pub const MAIL_POLL: Duration = Duration::from_millis(200);
/// Going into IDLE; the library cannot tell a late beginning from a lost one, and a new connection costs little.
pub const IDLE_START: Duration = Duration::from_secs(5);
/// Mailboxes on servers that cannot IDLE are looked into this often.
pub const MAILBOX_POLL: Duration = Duration::from_secs(30);
/// What one IMAP command may be answered with besides one whole message: lists of a large mailbox.
pub const IMAP_ANSWER_BYTES: u64 = 32 << 20;
/// Folders that are named when the configured one is not there.
pub const FOLDERS_TOLD: usize = 30;
/// UIDs named in one IMAP command; servers cut lines at 8 KB.
pub const IMAP_SET: usize = 400;
/// Mails listed with their sizes by one IMAP command: 50,000 of them took 150 MB while the answer was read.
pub const IMAP_LISTED: usize = 2_000;
/// IDLE is renewed before this (RFC 2177 names 29 minutes as the server's right to hang up).
pub const IDLE_RENEW: Duration = Duration::from_secs(28 * 60);
/// So many mails in a row that cannot be fetched are the mailbox's fault and not theirs.
pub const FETCH_FAILURES: u32 = 3;
/// A mail that fails so often, in fetching or opening, is set aside.
pub const MESSAGE_FAILURES: u32 = 3;
/// Mails fetched before those stored are removed from the mailbox in one go: one command.
pub const FETCH_BATCH: usize = IMAP_SET;
/// Bytes fetched before what is stored is removed from the mailbox: the first mail does not wait for much more.
pub const FETCH_BATCH_BYTES: u64 = 16 << 20;
/// Reconnecting backs off up to this.
pub const RECONNECT_MAX: Duration = Duration::from_secs(300);

/// Mails that a step takes through together, so that it waits for the disk once for all of them.
pub const BATCH: usize = 1000;
/// Bytes of the mails that are opened together: what is read of them is in memory.
pub const BATCH_BYTES: usize = 8 << 20;
/// How long mails are gathered to be opened together: making workspaces may take its time, and nobody's
/// acknowledgement shall wait for somebody else's.
pub const BATCH_TIME: Duration = Duration::from_millis(500);
/// Files or directories that are synced one by one; more are by one call for the whole file system.
pub const SYNC_EACH: usize = 6;

/// Mails to a busy session that become one task; the next one begins another.
pub const JOINED_MESSAGES: usize = 20;

// Mail out.

/// All attachments of one answer before encoding; 25 MB is the common limit, base64 adds a third.
pub const REPLY_ATTACHMENT_BYTES: u64 = 17 << 20;
/// Files of one answer.
pub const REPLY_ATTACHMENT_COUNT: usize = 50;
/// Files that an answer names as left out; of the others it says how many they are.
pub const LEFT_OUT_NAMES: usize = 20;
/// The text of one answer; the rest is attached.
pub const REPLY_TEXT_BYTES: usize = 256 << 10;
/// One answer laid out; a table of a few bytes can have a hundred thousand cells.
pub const REPLY_HTML_BYTES: usize = 1 << 20;
/// Addresses in `Cc`: a mail to more people than that wants nobody's answer to all.
pub const REPLY_CC_COUNT: usize = 50;
/// Message-IDs in `References` (RFC 5322 wants the first and the last kept).
pub const REFERENCES_COUNT: usize = 20;
/// A composed mail: the attachments in base64, the text twice, and room.
pub const COMPOSED_BYTES: u64 = 40 << 20;
/// A note of airut's own that could not be sent for so long is no news any more.
pub const NOTE_AGE: Duration = Duration::from_secs(24 * 3600);
/// Waiting for another process that is sending.
pub const REPLY_WAIT: Duration = Duration::from_secs(120);
/// Attempts to send one answer, with growing pauses: about five days.
pub const REPLY_ATTEMPTS: u32 = 24;

// Running.

/// The most that `max_concurrent` may be: each run has a lock file of its own that is looked at.
pub const RUNS_MAX: u32 = 1_000;
/// The shortest `timeout` a repository may set, in seconds.
pub const RUN_SECONDS_MIN: u64 = 10;
/// The longest `timeout` a repository may set, in seconds: a day.
pub const RUN_SECONDS_MAX: u64 = 24 * 3600;
/// What one run may print before it is ended; real runs stay under a few MB.
pub const EVENT_BYTES: u64 = 256 << 20;
/// A longer line is stored and not read: those that matter are short, long ones hold what tools printed, and read, a
/// hostile one may take twenty times its length.
pub const EVENT_LINE_BYTES: usize = 4 << 20;
/// What may still lie in a program's pipe when it has ended: the kernel's default for `fs.pipe-max-size`.
pub const PIPE_BYTES: usize = 1 << 20;
/// Kept of a program's standard error.
pub const STDERR_BYTES: usize = 1 << 20;
/// Kept of what is said about a failure.
pub const DETAIL_BYTES: usize = 16 << 10;
/// Kept of an answer in `task.json`.
pub const ANSWER_BYTES: usize = 1 << 20;
/// Podman ends a container this long after we should have: only when we are gone.
pub const PODMAN_GRACE: Duration = Duration::from_secs(15);
/// A clean interruption or a crash leaves a task to be continued; a second crash ends it.
pub const INTERRUPTIONS: u32 = 1;
/// How often a task waits for Claude's API before it fails: with the pauses of `rule/park.rs`, about a day.
pub const PARKED_TIMES: u32 = 24;
/// The longest that a task waits in all: a week is the longest period of a usage limit.
pub const PARKED_AGE: Duration = Duration::from_secs(8 * 24 * 3600);
/// `result` events of one run, and errors of one of them; real runs have one, or a few.
pub const RESULT_COUNT: usize = 20;
/// TERM to KILL.
pub const KILL_GRACE: Duration = Duration::from_secs(5);
/// Building an image.
pub const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// An image is built anew after this, so that its packages do not grow old.
pub const IMAGE_AGE: Duration = Duration::from_secs(24 * 3600);
/// After a build that failed to refresh an image, the old one is used for this long before another try.
pub const IMAGE_RETRY: Duration = Duration::from_secs(3600);
/// Images unused for this long are removed by `gc`.
pub const IMAGE_UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);
/// A git command that talks to the remote.
pub const GIT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A remote that has not named its branches by then is away.
pub const GIT_LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// The list of a remote's branches and tags; 60 bytes each, and large forges list every pull request.
pub const GIT_LIST_BYTES: usize = 64 << 20;
/// A transfer slower than 1,000 bytes a second for this many seconds is given up.
pub const GIT_STALL_SECONDS: u64 = 60;
/// Any other short podman command.
pub const PODMAN_TIMEOUT: Duration = Duration::from_secs(120);
/// Removing a container, which Podman refuses while the end of its processes is not noted.
pub const REMOVE_ATTEMPTS: u32 = 4;
/// Between two of them; noting it takes Podman some tenths of a second.
pub const REMOVE_PAUSE: Duration = Duration::from_millis(500);
/// A command that prints a secret.
pub const SECRET_TIMEOUT: Duration = Duration::from_secs(30);
/// One request to a token service, from its name to its last byte.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
/// What a token service answers; tokens of several KB are in use.
pub const TOKEN_ANSWER_BYTES: u64 = 256 << 10;
/// A token counts as expired so long before it is: clocks differ, and signing in takes time.
pub const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// The proxy has to be ready by then, or nothing starts.
pub const PROXY_READY: Duration = Duration::from_secs(10);
/// One `.airut` file.
pub const REPOSITORY_FILE_BYTES: usize = 1 << 20;
/// The container directory, all files.
pub const CONTEXT_BYTES: u64 = 100 << 20;
/// Files, links and directories of the container directory; a tree of a few hundred bytes can name billions.
pub const CONTEXT_ENTRIES: usize = 20_000;
/// Nested directories in the container directory.
pub const CONTEXT_DEPTH: usize = 50;

// The proxy.

/// The path of a unix socket: `sun_path` holds 108 bytes, the last of them NUL (unix(7)).
pub const SOCKET_PATH_BYTES: usize = 107;
/// Path and query of one request; servers commonly stop at 8 KiB, presigned ones need more.
pub const URL_BYTES: usize = 16 << 10;
/// The head of one request, or the trailers behind its body.
pub const REQUEST_HEAD_BYTES: usize = 64 << 10;
/// Headers of one request.
pub const REQUEST_HEADER_COUNT: usize = 100;
/// Connections from one sandbox at once; each costs two descriptors.
pub const PROXY_CONNECTIONS: usize = 400;
/// Requests at once on one HTTP/2 connection (RFC 9113 section 6.5.2 recommends at least 100).
pub const HTTP2_STREAMS: u32 = 128;
/// What one HTTP/2 stream may hold in flight; more buys nothing on a local socket.
pub const HTTP2_WINDOW_BYTES: u32 = 1 << 20;
/// From connecting to the first line, and one TLS handshake.
pub const PROXY_HANDSHAKE: Duration = Duration::from_secs(15);
/// One request's head, the idle time before it on a kept connection included.
pub const REQUEST_HEAD_TIME: Duration = Duration::from_secs(120);
/// A client of plain HTTP that closed its side may still want its answer, for so long; under TLS nobody does that.
pub const HALF_CLOSED: Duration = Duration::from_secs(30);
/// Looking a name up.
pub const RESOLVE_TIME: Duration = Duration::from_secs(10);
/// One attempt to connect upstream.
pub const CONNECT_TIME: Duration = Duration::from_secs(15);
/// The head of an egress proxy's answer to CONNECT; real ones have a few hundred.
pub const TUNNEL_HEAD_BYTES: usize = 8 << 10;
/// From the request to the first byte of its answer: models think for minutes.
pub const ANSWER_TIME: Duration = Duration::from_secs(20 * 60);
/// No byte of a body in either direction for this long.
pub const BODY_IDLE_TIME: Duration = Duration::from_secs(20 * 60);
/// An idle upstream connection is kept this long; common servers close after 60 s or more.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(30);
/// Idle upstream connections kept per host.
pub const UPSTREAM_IDLE_COUNT: usize = 16;
/// Certificates kept for hosts the allowlist could allow; wildcards could allow any number.
pub const LEAF_COUNT: usize = 256;
/// Memory the proxy may map.
pub const PROXY_ADDRESS_BYTES: u64 = 2 << 30;
/// Memory the proxy may use where it has a control group: what full windows of many connections take; few MB are usual.
pub const PROXY_MEMORY_BYTES: u64 = 512 << 20;
/// Threads the proxy may have there: one that serves, eight that look up names, and some.
pub const PROXY_THREADS: u64 = 32;
/// Files the proxy may hold open.
pub const PROXY_FILES: u64 = 2048;
/// The settings the proxy is started with.
pub const PROXY_SETTINGS_BYTES: u64 = 8 << 20;
/// One text of the sandbox's in one line of the network log.
pub const LOG_TEXT_BYTES: usize = 4 << 10;
/// A request that has been going on for so long gets a line of its own: streams and WebSockets, not the others.
pub const LONG_REQUEST: Duration = Duration::from_secs(30);
/// The shortest secret that can be masked: fewer changeable characters would stand in other texts by chance.
pub const MASKED_SECRET_CHARS: usize = 8;
/// A mail that its server could not settle is kept for this long.
pub const UNSETTLED_AGE: Duration = Duration::from_secs(5 * 24 * 3600);

// Disk.

/// The operator's file.
pub const CONFIG_BYTES: u64 = 1 << 20;
/// `check` wants as much room for a repository's storage.
pub const FREE_BYTES: u64 = 1 << 30;
/// With less room than one of its blocks takes, a disk is full.
pub const FULL_BYTES: u64 = 64 << 10;
/// Kept free on the disk while a task runs, to record what came of it: `task.json` with the longest answer, its mail
/// without attachments, and what else is written for it.
pub const HELD_BYTES: u64 = 4 << 20;
/// As so many files, since each of those needs one.
pub const HELD_FILES: u64 = 8;
/// With so many more files to be had than that, one holds all the bytes.
pub const PLENTY_FILES: u64 = 1_000_000;
/// Waiting for a lock that is held for moments only.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);
/// Waiting for the mailbox: another look into it takes moments, and one that watches it gets the mail anyway.
pub const MAILBOX_WAIT: Duration = Duration::from_secs(5);
/// Waiting for the mirror, which another process may be cloning.
pub const MIRROR_WAIT: Duration = Duration::from_secs(15 * 60);
/// A clock that goes back by more than this was set; less is its ordinary correction.
pub const CLOCK_STEP_SECONDS: i64 = 300;
/// `gc` is run daily, or weekly; a longer time since it was is perhaps none, but a clock that was set wrong.
pub const GC_GAP_SECONDS: i64 = 8 * 24 * 3600;
/// A clock that leapt is believed after so long: what keeps it right sets it back within hours.
pub const CLOCK_DOUBT_SECONDS: i64 = 12 * 3600;
/// A JSON file of airut's own; `task.json` holds an answer's text, of which a byte can take six (`\u0001`).
pub const JSON_BYTES: u64 = 16 << 20;
/// One session's network log; what is blocked fills half of it at most, beyond it only a count is kept.
pub const NETWORK_LOG_BYTES: u64 = 64 << 20;
/// With less room than this in it no request passes any more: what is open then must still fit.
pub const NETWORK_LOG_RESERVE_BYTES: u64 = 4 << 20;
/// Files and directories of one session that are looked at to find out what it takes; large checkouts have a million.
pub const USAGE_ENTRIES: usize = 4_000_000;
/// Names of its directories that are kept meanwhile: a million of ordinary length.
pub const USAGE_NAME_BYTES: usize = 64 << 20;
/// A session that takes much is left alone for so long after its last activity: whoever is at work in it is not asked
/// after each answer whether it may go.
pub const QUIET: SignedDuration = SignedDuration::from_hours(24);
/// From telling a session's people that it goes because of what it takes, until it goes: everybody's next working day
/// begins within it, but for weekends.
pub const NOTICE_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// Sessions that `status` names as the largest.
pub const LARGEST_SHOWN: usize = 5;
/// Rejected mail, and the memory of mail already taken, are kept this long.
pub const REJECTED_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// An account that nobody wrote to for longer than a month holds nothing that counts.
pub const ACCOUNT_AGE: Duration = Duration::from_secs(32 * 24 * 3600);
/// What a killed process left half written is removed after this.
pub const UNFINISHED_AGE: Duration = Duration::from_secs(24 * 3600);
