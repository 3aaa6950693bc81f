//! nginx, as the same reverse proxy.

use std::{fs, path::Path, process::Stdio, time::Duration};

use buttress::prelude::BoxError;
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    time::{sleep, timeout},
};

use super::child::Child;

const STARTS: Duration = Duration::from_secs(10);

/// One process, which keeps its connections to the upstream.
pub(super) async fn in_front_of(nginx: &Path, upstream: &str) -> Result<Child, BoxError> {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let folder = std::env::temp_dir().join(format!("buttress-gateway-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let host = upstream.trim_start_matches("http://");
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; keepalive_requests 100000000; tcp_nodelay on;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            upstream inside {{
                server {host}; keepalive 1024; keepalive_requests 100000000;
            }}
            server {{
                listen {address} backlog=1024;
                location / {{
                    proxy_pass http://inside; proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header X-Forwarded-Host $host;
                }}
            }}
        }}"
    );
    fs::write(folder.join("nginx.conf"), config)?;
    let mut process = Command::new(nginx)
        .arg("-p")
        .arg(&folder)
        .args(["-e", "error.log", "-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let accepts = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = process.wait() => return Err(format!("nginx ended: {}", ended?).into()),
        accepts = timeout(STARTS, accepts) => accepts?,
    }
    // It has its files open by now, and needs none of the names.
    let _ = fs::remove_dir_all(folder);
    Ok(Child::of(process, format!("http://{address}")))
}
