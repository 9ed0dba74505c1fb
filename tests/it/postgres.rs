//! A throw-away Postgres for the tests: one server for most of them, a database for each; a server of
//! their own for those that break it.
//!
//! Needs `initdb` and `postgres` on the path or below `/usr/lib/postgresql`. The server runs as the
//! user `postgres` where the tests run as root, listens on a socket in a temporary folder alone, and
//! ends with the tests, however they end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name of the superuser.
const USER: &str = "netkin";

/// The URL of a new, empty database.
pub(crate) fn database() -> String {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = SERVER.get_or_init(start);
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let made = run(folder, "createdb", &["-h", text(folder), "-U", USER, &name]);
    assert!(made.status.success(), "{made:?}");
    // A path in the host must be written as a parameter.
    format!("postgres://{USER}@localhost/{name}?host={}", text(folder))
}

/// Starts the server; the folder holds its data and its socket.
fn start() -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("netkin-pg")
        .tempdir()
        .unwrap()
        .keep();
    give_to_postgres(&folder);
    let data = folder.join("data");
    let options = [
        "-D",
        text(&data),
        "-U",
        USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ];
    let made = run(&folder, "initdb", &options);
    assert!(made.status.success(), "{made:?}");
    serve(&folder, &data);
    let started = Instant::now();
    let is_up = || {
        run(&folder, "pg_isready", &["-h", text(&folder)])
            .status
            .success()
    };
    while !is_up() {
        assert!(started.elapsed() < PATIENCE, "Postgres does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    folder
}

fn give_to_postgres(folder: &Path) {
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(folder).status();
        assert!(
            owned.unwrap().success(),
            "the tests run as root, and there is no user `postgres`"
        );
    }
}

/// Starts the server from a shell that stops it and removes its folder once the tests are gone:
/// statics are never dropped.
#[expect(clippy::zombie_processes, reason = "it outlives the tests")]
fn serve(folder: &Path, data: &Path) {
    let server = command(folder, "postgres");
    let server: Vec<&str> = std::iter::once(server.get_program())
        .chain(server.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let script = format!(
        // Durability of the tests' own data does not matter.
        "{} -D '{}' -c unix_socket_directories='{}' -c listen_addresses= -c fsync=off & \
         while kill -0 {} 2>/dev/null; do sleep 0.2; done; kill -QUIT $!; wait; rm -rf '{}'",
        server.join(" "),
        text(data),
        text(folder),
        std::process::id(),
        text(folder),
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdin(Stdio::null());
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    shell.current_dir(folder).spawn().unwrap();
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    command(folder, program).args(arguments).output().unwrap()
}

/// `program` of Postgres, as a user that Postgres starts for.
fn command(folder: &Path, program: &str) -> Command {
    let program = programs().join(program);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder);
    command
}

/// The folder of Postgres' programs: the newest below `/usr/lib/postgresql`, or the one on the path.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let versions = versions.map(|version| version.unwrap().path().join("bin"));
        found.extend(versions);
    }
    // The path may lead to links to some of the programs: the others stand where those point.
    let mut real = found
        .iter()
        .filter_map(|folder| folder.join("initdb").canonicalize().ok());
    let initdb = real.find(|initdb| initdb.with_file_name("postgres").exists());
    let initdb = initdb
        .expect("the tests of the store need Postgres: install it, or put `initdb` on the path");
    initdb.parent().unwrap().to_owned()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server of a test's own, which the test may stop and start.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
}

impl Postgres {
    /// A server that runs, with one empty database.
    pub(crate) fn start_own() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("netkin-pg")
            .tempdir()
            .unwrap();
        give_to_postgres(folder.path());
        let data = folder.path().join("data");
        let options = [
            "-D",
            text(&data),
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ];
        let made = run(folder.path(), "initdb", &options);
        assert!(made.status.success(), "{made:?}");
        let server = Self { folder };
        server.start();
        server
    }

    /// A server that follows this one and can be read alone.
    pub(crate) fn standby(&self) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("netkin-pg")
            .tempdir()
            .unwrap();
        give_to_postgres(folder.path());
        let data = folder.path().join("data");
        let primary = text(self.folder.path());
        let options = [
            "-h",
            primary,
            "-U",
            USER,
            "-D",
            text(&data),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        ];
        let copied = run(folder.path(), "pg_basebackup", &options);
        assert!(copied.status.success(), "{copied:?}");
        let server = Self { folder };
        server.start();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://{USER}@localhost/postgres?host={}",
            text(self.folder.path())
        )
    }

    pub(crate) fn start(&self) {
        let options = format!(
            "-c unix_socket_directories='{}' -c listen_addresses=",
            text(self.folder.path())
        );
        self.control(&["start", "-w", "-o", &options, "-l", "log"]);
    }

    /// As a crash would.
    pub(crate) fn stop(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// Stands still, or goes on: what a client sees of a database that hangs.
    pub(crate) fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let leader = pid.lines().next().unwrap();
        let script = format!("kill -{name} {leader} $(ps -o pid= --ppid {leader})");
        assert!(
            Command::new("sh")
                .args(["-c", &script])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn execute(&self, statement: &str) {
        let folder = self.folder.path();
        let done = run(
            folder,
            "psql",
            &[
                "-h",
                text(folder),
                "-U",
                USER,
                "-d",
                "postgres",
                "-c",
                statement,
            ],
        );
        assert!(done.status.success(), "{done:?}");
    }

    fn control(&self, arguments: &[&str]) {
        let folder = self.folder.path();
        let data = folder.join("data");
        let mut command = command(folder, "pg_ctl");
        command.args(["-D", text(&data)]).args(arguments);
        // What it starts must not hold the pipes of the tests.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{arguments:?}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let _ = run(
            self.folder.path(),
            "pg_ctl",
            &["-D", text(&data), "stop", "-m", "immediate"],
        );
    }
}
