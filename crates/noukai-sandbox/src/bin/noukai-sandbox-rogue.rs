//! A worker that was taken over: caged like any other, then it does what the request's source says. For tests.

use std::fs::File;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use noukai_alloc::Mimalloc;
use noukai_sandbox::Metered;

#[global_allocator]
static ALLOCATOR: Metered<Mimalloc> = Metered::new(Mimalloc);

fn main() -> ExitCode {
    noukai_sandbox::rogue_main(|head, _| {
        let text = String::from_utf8_lossy(head).into_owned();
        let deed = text.split("rogue:").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default();
        act(deed)
    })
}

fn act(deed: &str) -> Vec<u8> {
    match deed {
        "open" => got(File::open("/etc/passwd").is_ok()),
        "write" => got(File::create("/tmp/noukai-rogue").is_ok()),
        "list" => got(std::fs::read_dir("/").is_ok()),
        "exec" => got(Command::new("/bin/true").status().is_ok()),
        "thread" => got(std::thread::Builder::new().spawn(|| ()).is_ok()),
        "tcp" => got(TcpStream::connect("127.0.0.1:1").is_ok()),
        "udp" => got(UdpSocket::bind("127.0.0.1:0").is_ok()),
        "unix" => got(UnixStream::connect("/tmp/nothing").is_ok()),
        "kill" => got(rustix::process::getppid()
            .is_some_and(|parent| rustix::process::kill_process(parent, rustix::process::Signal::TERM).is_ok())),
        "sleep" => {
            std::thread::sleep(Duration::from_secs(1));
            got(true)
        }
        "limits" => got(rustix::process::setrlimit(
            rustix::process::Resource::Cpu,
            rustix::process::Rlimit { current: None, maximum: None },
        )
        .is_ok()),
        "die" => std::process::exit(7),
        "panic" => std::process::abort(),
        "silence" => loop {
            std::hint::spin_loop();
        },
        "garbage" => b"this is not a frame, whatever one may hope for".to_vec(),
        "half" => [&[8, 0, 0, 0, 200, 0, 0, 0], &[0; 8][..], &[3, 0]].concat(),
        "huge-head" => [255; 16].to_vec(),
        "huge-body" => [&[1, 0, 0, 0, 255, 255, 255, 255], &[0; 8][..]].concat(),
        "ready" => [&[2, 0, 0, 0, 0, 0, 0, 0], &[0; 8][..], &[0, 0]].concat(),
        "problems" => [&[2, 0, 0, 0, 0, 0, 0, 0], &[0; 8][..], &[1, 0]].concat(),
        "deep" => output(format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()),
        "wide" => output(format!("{{\"a\":[{}0]}}", "0,".repeat(2_000_000)).as_bytes()),
        "twice" => output(br#"{"a":1,"a":2}"#),
        "list-output" => output(b"[1]"),
        "number" => output(br#"{"a":1e999}"#),
        "surrogate" => output(br#"{"a":"\ud800"}"#),
        "utf8" => output(b"{\"a\":\"\xff\"}"),
        "more" => output(br#"{"a":1} {"b":2}"#),
        "early" => [output(br#"{"a":1}"#), output(br#"{"a":"for the next call"}"#)].concat(),
        "early-after-much" => {
            let much = format!("{{\"a\":\"{}\"}}", "a".repeat(100_000));
            [output(much.as_bytes()), output(br#"{"a":"for the next call"}"#)].concat()
        }
        "clock" => got(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).is_ok()),
        _ => output(br#"{"fine":true}"#),
    }
}

/// A right answer, which tells whether the deed was done.
fn got(done: bool) -> Vec<u8> {
    output(if done { br#"{"done":true}"# } else { br#"{"done":false}"# })
}

/// An answer that a worker might give, with any body: variant 2, nothing printed. Its number is put in on its way.
fn output(json: &[u8]) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&[3, 0, 0, 0], &length[..], &[0; 8], &[2, 0, 0], json].concat()
}
