//! `pasarela sandbox` of a test's configuration, as a person uses it.

use crate::files::{Place, send, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A sandbox that is killed when it is let go.
pub(crate) struct Sandbox {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Sandbox {
    #[track_caller]
    pub(crate) fn start(place: &Place, addr: SocketAddr) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
        command.arg("--config").arg(place.config()).args(["sandbox", "--json"]).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the sandbox to listen", || {
            assert!(child.try_wait().unwrap().is_none(), "the sandbox ended");
            std::net::TcpStream::connect(addr).ok()
        });
        Self { child, addr }
    }

    #[track_caller]
    pub(crate) fn act(&self, connection: &str, command: &str, args: Value) -> Value {
        let body = json!({ "command": command, "args": args }).to_string();
        let answer = send(
            self.addr,
            "POST",
            &format!("/_sandbox/{connection}/act"),
            &[("content-type", "application/json")],
            body.as_bytes(),
        );
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) fn view(&self, connection: &str, what: &str) -> Value {
        send(self.addr, "GET", &format!("/_sandbox/{connection}/view/{what}"), &[], b"").unwrap().json()
    }
}
