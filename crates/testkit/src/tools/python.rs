//! Python 3: the installer of the pinned tools, and environments with the pinned packages of one
//! requirements file: the interpreter of tests that hold our fake Stripe against the official
//! Python package, and the tools that check what is under infra/.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::install::{lock, python, run};
use super::{progress, tools_dir, workspace_root};

/// A Python that has what infra/dev/requirements-test.txt pins. `None` where that file does not exist.
pub fn test_python() -> Result<Option<PathBuf>> {
    const REQUIREMENTS: &str = "infra/dev/requirements-test.txt";
    if !workspace_root().join(REQUIREMENTS).is_file() {
        return Ok(None);
    }
    Ok(Some(Environment::install(REQUIREMENTS)?.interpreter))
}

/// A virtual environment under `.tools/` that has what one requirements file pins.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its Python.
    pub interpreter: PathBuf,
    /// The folder of the programs that its packages bring.
    programs: PathBuf,
}

impl Environment {
    /// Finds or installs it. The file is named from the workspace's root; each of its lines has a hash.
    pub fn install(requirements: &str) -> Result<Self> {
        let file = workspace_root().join(requirements);
        let pins = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let python = python()?;
        let mut hasher = DefaultHasher::new();
        (&pins, &python).hash(&mut hasher);
        let home = tools_dir().join(format!("python-{:016x}", hasher.finish()));
        let interpreter = home.join("bin/python");
        // Written last of all, so an interrupted installation has none; says where the packages lie.
        let note = home.join("installed");
        let installed = || {
            let site = fs::read_to_string(&note).ok()?;
            Some(Self { interpreter: interpreter.clone(), programs: PathBuf::from(site).join("bin") })
        };
        if let Some(environment) = installed() {
            return Ok(environment);
        }
        let _lock = lock()?;
        if let Some(environment) = installed() {
            return Ok(environment);
        }
        progress("Installing", &format!("the packages of {requirements} into .tools/"));
        let _ = fs::remove_dir_all(&home);
        // Without pip inside, so that it works where Debian keeps `ensurepip` in a package of its own.
        run(Command::new(&python).args(["-m", "venv", "--without-pip"]).arg(&home))
            .context("creating a virtual environment")?;
        let site = Command::new(&interpreter)
            .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"])
            .output()
            .context("asking the virtual environment for its packages' folder")?;
        let site = String::from_utf8(site.stdout).context("the packages' folder has a name that is no text")?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"])
            .args(["--target", &site])
            .arg("--requirement")
            .arg(&file))
        .with_context(|| format!("installing {requirements}"))?;
        fs::write(&note, &site)?;
        installed().context("the environment vanished as soon as it was installed")
    }

    /// A command that runs one of its packages' programs.
    pub fn command(&self, program: &str) -> Result<Command> {
        let path = self.programs.join(program);
        let mut start = [0; 2];
        File::open(&path)
            .and_then(|mut file| file.read_exact(&mut start))
            .with_context(|| format!("reading {}", path.display()))?;
        if &start != b"#!" {
            return Ok(Command::new(path));
        }
        // A script names the Python that installed it, which does not see this environment's packages.
        let mut command = Command::new(&self.interpreter);
        command.arg(path);
        Ok(command)
    }

    /// Where one of its packages' programs lies, for a program that starts it by its path.
    pub fn program(&self, program: &str) -> PathBuf {
        self.programs.join(program)
    }
}
