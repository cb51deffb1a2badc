//! The deployment's key that signs heads.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// How often this process has made one: services that make theirs at once write each a file of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

/// An Ed25519 key pair.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key from a file (PKCS #8, DER), or makes one and keeps it there, for its owner only.
    ///
    /// # Errors
    /// The file holds no such key, or cannot be read or made.
    pub fn load_or_make(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Self::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        Ed25519KeyPair::from_pkcs8(bytes).map(Self).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it holds no Ed25519 key in PKCS #8: {error}"),
            )
        })
    }

    fn make(path: &Path) -> io::Result<Self> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| io::Error::other("the system gives no random numbers"))?;
        // Written beside and linked into place: of two processes, or two services of one, that make one at once, both use
        // the first's, and a crash leaves no half of a key.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{number}.new", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(document.as_ref())?;
        file.sync_all()?;
        let linked = fs::hard_link(&beside, path);
        fs::remove_file(&beside)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Self::parse(&fs::read(path)?)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// Whether the owner of the public key signed the message.
pub(super) fn is_signed(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = SigningKey::load_or_make(&path).unwrap();
        let read = SigningKey::load_or_make(&path).unwrap();
        assert_eq!(made.public(), read.public());
        assert!(is_signed(read.public(), b"message", &made.sign(b"message")));
        assert!(!is_signed(read.public(), b"massage", &made.sign(b"message")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "nothing").unwrap();
        assert!(SigningKey::load_or_make(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"nothing");
    }
}
