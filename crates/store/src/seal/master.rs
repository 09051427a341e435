//! The master key: 32 bytes that are never in the database. It wraps the keys that are.

use super::{SealError, Sealer};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// Where the master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// In a file of mode 0600, as 64 hexadecimal digits. Made with a new database.
    File(PathBuf),
    /// In a variable of the environment.
    Env(String),
    /// What a command prints: of a key store, a safe, a card. Words are split at spaces, there is no shell.
    Command(String),
}

/// It is not said where the master key is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a place of a master key; write file:PATH, env:NAME or command:PROGRAM ARGUMENTS")]
pub struct InvalidMaster(String);

impl FromStr for Master {
    type Err = InvalidMaster;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':').map(|(kind, rest)| (kind, rest.trim())) {
            Some((_, "")) | None => Err(InvalidMaster(text.to_owned())),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("command", line)) => Ok(Self::Command(line.to_owned())),
            // A key that somebody wrote here by mistake is not repeated.
            Some(_) => Err(InvalidMaster("...".into())),
        }
    }
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Env(name) => write!(f, "of the variable {name}"),
            Self::Command(line) => write!(f, "of the command '{line}'"),
        }
    }
}

impl Master {
    /// Reads it; makes a file that is not there when `create`.
    pub(crate) fn read(&self, create: bool) -> Result<[u8; 32], SealError> {
        let failed = |why: String| SealError::KeyFile { master: self.clone(), why };
        let text = match self {
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && create => return make(path).map_err(failed),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(SealError::KeyMissing(self.clone()));
                }
                Err(e) => return Err(failed(e.to_string())),
            },
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(_) => return Err(SealError::KeyMissing(self.clone())),
            },
            Self::Command(line) => ran(line).map_err(failed)?,
        };
        decode_hex(text.trim()).ok_or_else(|| failed("it must be 64 hexadecimal digits".into()))
    }

    /// What it is called by: nobody can tell the key from it.
    pub fn fingerprint(&self) -> Result<String, SealError> {
        self.read(false).map(|key| fingerprint(&key))
    }

    /// Makes a key in a file that must not be there, on disk when this returns.
    pub fn make(path: &Path) -> Result<Self, SealError> {
        let own = Self::File(path.to_owned());
        make(path).map_err(|why| SealError::KeyFile { master: own.clone(), why })?;
        Ok(own)
    }
}

fn make(path: &Path) -> Result<[u8; 32], String> {
    use std::os::unix::fs::OpenOptionsExt;
    let key = super::fresh_key().map_err(|e| e.to_string())?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| e.to_string())?;
    let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| e.to_string())?;
    Ok(key)
}

fn ran(line: &str) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let program = words.next().ok_or("there is no command")?;
    let told = Command::new(program).args(words).output().map_err(|e| e.to_string())?;
    if !told.status.success() {
        return Err(format!("it ended with {}", told.status));
    }
    String::from_utf8(told.stdout).map_err(|_| "what it printed is no text".into())
}

/// What a master key is called by.
pub(crate) fn fingerprint(master: &[u8; 32]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"pasarela master key\0");
    context.update(master);
    context.finish().as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Wraps a key with the master key.
pub(crate) fn wrap(master: &[u8; 32], key: &[u8; 32]) -> Result<Vec<u8>, SealError> {
    Ok(Sealer::new(master, master)?.seal(key).0)
}

/// Opens it again; `place`: of the master key, for whoever reads the error.
pub(crate) fn unwrap(master: &[u8; 32], wrapped: &[u8], place: &Master) -> Result<[u8; 32], SealError> {
    let plain = Sealer::new(master, master)?.open(wrapped).map_err(|_| SealError::WrongKey(place.clone()))?;
    plain.try_into().map_err(|_| SealError::Damaged)
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_file_is_private_and_its_absence_is_loud() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let place = Master::File(path.clone());
        assert!(matches!(place.read(false), Err(SealError::KeyMissing(_))));
        let key = place.read(true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(place.read(true).unwrap(), key);
        let wrapped = wrap(&key, &[9; 32]).unwrap();
        assert_eq!(unwrap(&key, &wrapped, &place).unwrap(), [9; 32]);
        assert!(matches!(unwrap(&[0; 32], &wrapped, &place), Err(SealError::WrongKey(_))));
    }

    #[test]
    fn a_key_comes_from_a_file_a_variable_or_a_command_and_no_message_repeats_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let key = Master::make(&path).unwrap().read(false).unwrap();
        assert!(Master::make(&path).is_err(), "nothing is overwritten");
        let command: Master = format!("command:cat {}", path.display()).parse().unwrap();
        assert_eq!(command.read(false).unwrap(), key);
        let variable: Master = "env:PASARELA_TEST_NO_SUCH_KEY".parse().unwrap();
        assert!(matches!(variable.read(true), Err(SealError::KeyMissing(_))), "no variable is made");
        assert!("command:false".parse::<Master>().unwrap().read(false).is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        let why = format!("hex:{text}").parse::<Master>().unwrap_err().to_string();
        assert!(why.contains("command:PROGRAM") && !why.contains(&text), "{why}");
        let told: Master = "command:echo corto".parse().unwrap();
        assert!(told.read(false).unwrap_err().to_string().contains("64 hexadecimal"));
    }
}
