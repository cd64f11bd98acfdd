//! Installs Python virtual environments, each with the pinned packages of one requirements file. Tests use one to
//! compare fakestripe with Stripe's official Python package; the checks of infra/ use another.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::install::{lock, python, run};
use super::{progress, tools_dir, workspace_root};

/// Returns the path of a Python interpreter that has the packages of the tests. Installs them if necessary.
pub fn test_python() -> Result<PathBuf> {
    Ok(Environment::install("infra/dev/requirements-test.txt")?.interpreter)
}

/// A virtual environment in `.tools/` with the packages of one requirements file.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Path of the environment's Python interpreter.
    pub interpreter: PathBuf,
    /// Folder of the programs that the packages install.
    programs: PathBuf,
}

impl Environment {
    /// Finds the environment or installs it. `requirements` is the path of the requirements file, relative to the
    /// workspace's root. The file must have a hash for each package.
    pub fn install(requirements: &str) -> Result<Self> {
        let file = workspace_root().join(requirements);
        let pins = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let python = python()?;
        let mut hasher = DefaultHasher::new();
        (&pins, &python).hash(&mut hasher);
        let home = tools_dir().join(format!("python-{:016x}", hasher.finish()));
        let interpreter = home.join("bin/python");
        // This file is written last, so it exists only if the installation is complete. It contains the path of the
        // packages' folder.
        let marker = home.join("installed");
        let installed = || {
            let site = fs::read_to_string(&marker).ok()?;
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
        // The environment has no pip, because venv would need `ensurepip`, which is a separate package on Debian.
        run(Command::new(&python).args(["-m", "venv", "--without-pip"]).arg(&home))
            .context("creating a virtual environment")?;
        let site = Command::new(&interpreter)
            .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"])
            .output()
            .context("asking the virtual environment for its packages' folder")?;
        let site = String::from_utf8(site.stdout).context("the path of the packages' folder is not UTF-8")?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"])
            .args(["--target", &site])
            .arg("--requirement")
            .arg(&file))
        .with_context(|| format!("installing {requirements}"))?;
        fs::write(&marker, &site)?;
        installed().context("the environment vanished as soon as it was installed")
    }

    /// Returns a command that runs a program of one of its packages.
    pub fn command(&self, program: &str) -> Result<Command> {
        let path = self.programs.join(program);
        let mut start = [0; 2];
        File::open(&path)
            .and_then(|mut file| file.read_exact(&mut start))
            .with_context(|| format!("reading {}", path.display()))?;
        if &start != b"#!" {
            return Ok(Command::new(path));
        }
        // The first line of a script names the Python that installed it. That Python does not have these packages.
        let mut command = Command::new(&self.interpreter);
        command.arg(path);
        Ok(command)
    }

    /// Returns the path of a program of one of its packages.
    pub fn program(&self, program: &str) -> PathBuf {
        self.programs.join(program)
    }
}
