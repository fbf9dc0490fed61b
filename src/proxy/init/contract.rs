//! What the host, the proxy and the container's init agree on. Compiled into airut and into the init: std only,
//! and naming nothing else.

/// Where the runtime directory is mounted in the container, read only.
pub const MOUNT: &str = "/run/airut";
/// Its files.
pub const SOCKET: &str = "proxy.sock";
pub const CA: &str = "ca.pem";
pub const INIT: &str = "init";
pub const RESOLV_CONF: &str = "resolv.conf";
pub const HOSTS: &str = "hosts";

/// The init's option for variables on standard input.
pub const ENVIRONMENT: &str = "--environment";

/// The first line of each connection to the socket: the port it was made to, or that it is the init's own.
pub const HTTP: &str = "80";
pub const HTTPS: &str = "443";
pub const CONTROL: &str = "control";
/// The longest of them with its line feed, and some more.
pub const PREAMBLE_BYTES: usize = 16;
/// One line on the control connection: `dns KIND ANSWER NAME`; a name has at most 255 bytes before escaping.
pub const CONTROL_LINE_BYTES: usize = 2048;

/// The init's exit code when the proxy was not there, or ended: the agent was cut off. Outside of what programs and
/// shells use for themselves (up to 2, 64 to 78, 124 to 127, 128 and above).
pub const PROXY_GONE: u8 = 113;
/// The init's exit code when the kernel ended the agent because the container's memory was spent.
pub const OUT_OF_MEMORY: u8 = 114;
/// The init's exit code when the sandbox could not be set up inside the container.
pub const SETUP_FAILED: u8 = 112;
/// Seconds that the agent gets between TERM and KILL once the proxy is gone.
pub const GRACE_SECONDS: u64 = 5;
