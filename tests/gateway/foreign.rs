//! Programs that others have written. Where one is not there, the tests that need it are ignored.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// What only something that hangs takes to start.
const STARTS: Duration = Duration::from_secs(30);

/// What only something that hangs takes to end, of programs that ask a hundred thousand times.
const ENDS: Duration = Duration::from_secs(300);

/// Where a program was found when the tests were built.
pub(crate) fn program(found: Option<&'static str>) -> &'static str {
    found.expect("tests that need a program are ignored where it is not there")
}

/// What curl or h2load says, once it has ended well.
pub(crate) async fn says(program: &'static str, args: Vec<String>) -> String {
    let asked = args.join(" ");
    let mut command = tokio::process::Command::new(program);
    let run = command.args(&args).stdin(Stdio::null()).kill_on_drop(true).output();
    let ended = timeout(ENDS, run).await.unwrap_or_else(|_| panic!("in time: {program} {asked}"));
    let Output { status, stdout, stderr } = ended.expect("it starts");
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{program} {asked}: {status}: {stderr}{stdout}");
    stdout
}

/// An nginx of one's own, that serves files; killed when it is dropped.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    pub(crate) folder: PathBuf,
    process: Child,
}

impl Nginx {
    /// One that answers already.
    pub(crate) async fn start() -> Self {
        // Another program may take the port that was free a moment ago.
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let folder = folder();
            let process = spawn(free, &folder);
            let mut nginx = Self { address: free, folder, process };
            if nginx.answers().await {
                return nginx;
            }
        }
        panic!("nginx does not start");
    }

    /// Waits until it answers, and not another server; not if its process has ended.
    async fn answers(&mut self) -> bool {
        let answering = async {
            while self.process.try_wait().unwrap().is_none() {
                if self.is_there().await.is_some_and(|answer| answer.contains("Server: nginx")) {
                    return true;
                }
                sleep(Duration::from_millis(5)).await;
            }
            false
        };
        timeout(STARTS, answering).await.unwrap_or(false)
    }

    async fn is_there(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let name = self.folder.file_name()?.to_str()?;
        let asked = format!("GET /{name} HTTP/1.0\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        // A file that only this one has.
        answer.starts_with("HTTP/1.1 200 ").then_some(answer)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It has no other processes that would outlive it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("nginx-{}-{number}", std::process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("files")).unwrap();
    folder
}

fn spawn(address: SocketAddr, folder: &PathBuf) -> Child {
    let name = folder.file_name().unwrap();
    fs::write(folder.join("files").join(name), "it is this one").unwrap();
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;
        events {{ worker_connections 2000; }}
        http {{
            access_log off; default_type text/plain; keepalive_requests 1000000;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            server {{
                listen {address} backlog=1024; root files;
                location /text/ {{ gzip on; gzip_proxied any; gzip_types text/plain; gzip_min_length 0; }}
                location /small {{ return 200 small; }}
            }}
        }}"
    );
    fs::write(folder.join("nginx.conf"), config).unwrap();
    Command::new(program(option_env!("BUTTRESS_NGINX_PATH")))
        .arg("-p")
        .arg(folder)
        .args(["-e", "error.log", "-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx runs")
}
