//! What the tests are made of: a folder, a command in it, a server in it, an HTTP request.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A flow that answers with its prompt.
pub fn flow(slug: &str, prompt: &str) -> String {
    format!(
        "schema: 1\nslug: {slug}\ninput: {{message: string}}\nsteps:\n  - id: say\n    llm: {{model: noukai/echo, prompt: \"{prompt}\"}}\n"
    )
}

/// A flow that takes its time.
pub fn slow_flow(slug: &str, ms: u32) -> String {
    flow(slug, "{{ message }}").replace("prompt:", &format!("config: {{latency_ms: {ms}}}, prompt:"))
}

/// A folder of its own, deleted at the end.
pub struct Folder(TempDir);

impl Folder {
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With `hello.flow.yaml`.
    pub fn with_hello() -> Self {
        let folder = Self::empty();
        folder.write("hello.flow.yaml", &flow("hello", "Hello, {{ message }}!"));
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// A command in this folder, untouched by the environment of the tests.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_noukai"));
        command.args(args);
        command
    }

    /// Lines of a shell, to which `noukai` is the binary under test.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.program("sh");
        let own = PathBuf::from(env!("CARGO_BIN_EXE_noukai"));
        let dirs = own.parent().map(PathBuf::from).into_iter();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(dirs.chain(std::env::split_paths(&path))).unwrap();
        command.env("PATH", path).args(["-ec", script]);
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        let foreign =
            |name: &str| name.starts_with("NOUKAI_") || name.starts_with("OPEN") || name.ends_with("_API_KEY");
        let names = std::env::vars().map(|(name, _)| name).filter(|name| foreign(name));
        names.for_each(|name| {
            command.env_remove(name);
        });
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// A command that calls this server with its key.
    pub fn calling(&self, server: &Server, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("NOUKAI_BASE_URL", server.url()).env("NOUKAI_API_KEY", server.key());
        command
    }

    /// Runs such a command to its end.
    pub fn call(&self, server: &Server, args: &[&str]) -> Done {
        Done::of(self.calling(server, args).output().unwrap())
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args).output().unwrap())
    }

    /// Starts a server; it is ended with the test.
    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// The same, with an environment.
    pub fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Running {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        Running::of(command)
    }

    /// Starts `noukai dev --json` on a free port.
    pub fn dev(&self) -> (Running, Server) {
        let running = self.start(&["dev", "--json", "--port", "0"]);
        let ready: Value = serde_json::from_str(&running.stdout.next()).unwrap();
        (running, Server { ready })
    }
}

/// How a command ended.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// That it failed so, in one line on stderr (and perhaps a hint), with nothing on stdout.
    #[track_caller]
    pub fn failed(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert!(lines[0].starts_with("error: ") && lines[0].contains(words), "{}", self.stderr);
        assert!(lines[1..].iter().all(|line| line.starts_with("  hint: ")) && lines.len() <= 2, "{}", self.stderr);
    }

    #[track_caller]
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout.trim_end()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}\n{}", self.stdout, self.stderr))
    }
}

/// Lines as they come.
pub struct Lines(Receiver<String>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Self(receive)
    }

    #[track_caller]
    pub fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("a line")
    }

    /// The first line with these words; those before it are passed over.
    #[track_caller]
    pub fn wait_for(&self, words: &str) -> String {
        let mut passed = Vec::new();
        while let Ok(line) = self.0.recv_timeout(PATIENCE) {
            if line.contains(words) {
                return line;
            }
            passed.push(line);
        }
        panic!("no line with {words:?} in {passed:#?}");
    }

    /// What comes until the process ends.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.0.recv_timeout(PATIENCE).ok()).collect()
    }
}

/// A process that goes on.
pub struct Running {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Running {
    /// Starts a command; it is ended with the test.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end: the exit code, and what was still said on stdout.
    pub fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.stdout.rest();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server as its ready line describes it.
pub struct Server {
    pub ready: Value,
}

impl Server {
    pub fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }

    pub fn key(&self) -> &str {
        self.ready["api_key"].as_str().unwrap()
    }

    pub fn execute(&self, flow: &str, message: &str) -> (u16, Value) {
        self.post(&format!("{flow}/execute"), message).finish()
    }

    /// Sends a call and does not wait for its reply.
    pub fn post(&self, path: &str, message: &str) -> Call {
        self.send(&format!("/api/v1/seq/local/dev/{path}"), self.key(), &serde_json::json!({"message": message}))
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.request("GET", path, self.key(), "").finish()
    }

    pub fn send(&self, path: &str, key: &str, body: &Value) -> Call {
        self.request("POST", path, key, &body.to_string())
    }

    /// Asks until the answer is so.
    pub fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, answer) = self.get(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{answer}");
        }
    }

    pub fn request(&self, method: &str, path: &str, key: &str, body: &str) -> Call {
        self.try_request(method, path, key, body).unwrap()
    }

    /// The same, where the server may be gone.
    pub fn try_request(&self, method: &str, path: &str, key: &str, body: &str) -> io::Result<Call> {
        let host = self.ready["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        Ok(Call(BufReader::new(stream)))
    }
}

/// A request that was sent.
pub struct Call(BufReader<TcpStream>);

impl Call {
    /// Waits until the reply has a line with these words.
    pub fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the reply ended without {words:?}");
        }
    }

    /// What is left of a stream that ends as it should: with its last chunk.
    pub fn rest(mut self) {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "cut off: {rest:?}");
    }

    /// Status and body of the whole reply.
    pub fn finish(self) -> (u16, Value) {
        self.try_finish().expect("a whole reply")
    }

    /// The same, if the reply comes.
    pub fn try_finish(self) -> Option<(u16, Value)> {
        let reply = self.whole()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).unwrap_or_default()))
    }

    /// The events of a stream, to its end.
    pub fn events(self) -> Vec<Value> {
        let reply = self.whole().expect("a whole reply");
        let data = reply.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }

    fn whole(mut self) -> Option<String> {
        let mut reply = String::new();
        self.0.read_to_string(&mut reply).ok()?;
        Some(reply)
    }
}
