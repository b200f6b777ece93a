//! The vault: master keys, and texts sealed with them, so that who has the database alone has nothing. Keeps nothing and
//! knows no provider; where the keys are from is the configuration's.
//!
//! AES-256-GCM with a random nonce per text. What a text is about is sealed with it: opened as anything else, it is refused.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use noukai_models::Secret;
use noukai_store::Sealed;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use tokio::process::Command;

use crate::{app::sha256_hex, config::MasterKeySource};

/// The master key's file in the data directory.
const FILE: &str = "master.key";
const KEY_BYTES: usize = 32;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of an id.
const ID: usize = 16;

/// Master keys: the first seals, all open.
pub(crate) struct Vault {
    keys: Vec<MasterKey>,
    /// Why there are none although there should be.
    fault: Option<String>,
}

struct MasterKey {
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("ids", &self.ids().collect::<Vec<_>>()).field("fault", &self.fault).finish()
    }
}

/// Why a text could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VaultError {
    /// There is no master key.
    #[error("the server has no master key{0}")]
    NoKey(String),
    /// Another key is wanted.
    #[error("it is sealed with the master key {0}, which the server does not have")]
    Unknown(String),
    /// What was sealed is not what is opened.
    #[error("it is not what was sealed: it was changed in the database, or moved there")]
    Tampered,
}

impl Vault {
    /// Fetches the keys. Where that fails, the vault says why, and seals and opens nothing.
    pub async fn open(source: &MasterKeySource, data: &Path) -> Self {
        match fetch(source, data).await.and_then(|text| text.map_or(Ok(Vec::new()), |text| read(&text))) {
            Ok(keys) => Self { keys, fault: None },
            Err(fault) => Self { keys: Vec::new(), fault: Some(fault) },
        }
    }

    /// Why there are no keys although there should be.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The ids of all keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Whether what is sealed with a key can be opened.
    pub fn has(&self, id: &str) -> bool {
        self.ids().any(|known| known == id)
    }

    /// Seals a text.
    ///
    /// # Errors
    /// `NoKey`.
    pub fn seal(&self, text: &Secret, about: &str) -> Result<Sealed, VaultError> {
        let master = self.keys.first().ok_or_else(|| self.no_key())?;
        let mut nonce = [0; NONCE_LEN];
        let unsealed = |_| VaultError::NoKey(": the system gives no random numbers".to_owned());
        SystemRandom::new().fill(&mut nonce).map_err(unsealed)?;
        let mut sealed = text.expose().as_bytes().to_vec();
        let aad = Aad::from(about.as_bytes());
        master.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).map_err(unsealed)?;
        Ok(Sealed { with: master.id.clone(), bytes: [&nonce[..], &sealed].concat() })
    }

    /// Opens what was sealed about the same.
    ///
    /// # Errors
    /// All of [`VaultError`].
    pub fn unseal(&self, sealed: &Sealed, about: &str) -> Result<Secret, VaultError> {
        if self.keys.is_empty() {
            return Err(self.no_key());
        }
        let master = self.keys.iter().find(|key| key.id == sealed.with);
        let master = master.ok_or_else(|| VaultError::Unknown(sealed.with.clone()))?;
        let (nonce, text) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(VaultError::Tampered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Tampered)?;
        let mut text = text.to_vec();
        let opened = master.key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut text);
        let opened = opened.map_err(|_| VaultError::Tampered)?;
        std::str::from_utf8(opened).map(Secret::new).map_err(|_| VaultError::Tampered)
    }

    fn no_key(&self) -> VaultError {
        VaultError::NoKey(self.fault.as_ref().map_or_else(String::new, |fault| format!(": {fault}")))
    }
}

/// The keys' text; `None` where there need not be any.
async fn fetch(source: &MasterKeySource, data: &Path) -> Result<Option<String>, String> {
    match source {
        MasterKeySource::Given(keys) => Ok(Some(keys.expose().to_owned())),
        MasterKeySource::File(path) => read_file(path).map(Some),
        MasterKeySource::Command(command) => print_of(command).await.map(Some),
        MasterKeySource::Data => match data.join(FILE) {
            path if path.exists() => read_file(&path).map(Some),
            _ => Ok(None),
        },
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("the master key's file {} cannot be read: {error}", path.display());
    refuse_others(path, &fs::metadata(path).map_err(cannot)?)?;
    fs::read_to_string(path).map_err(cannot)
}

#[cfg(unix)]
fn refuse_others(path: &Path, data: &fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = data.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(format!("the master key's file {path} may be used by others than its owner (mode {mode:o}): chmod 600 {path}"))
}

#[cfg(not(unix))]
fn refuse_others(_: &Path, _: &fs::Metadata) -> Result<(), String> {
    Ok(())
}

/// What it writes to standard error may hold secrets, and is not looked at.
async fn print_of(command: &str) -> Result<String, String> {
    let wrong = |why: &dyn fmt::Display| format!("the command for the master key {why}");
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command);
    shell.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE, shell.output()).await;
    let done = done.map_err(|_| wrong(&format!("did not end within {} s", PATIENCE.as_secs())))?;
    let done = done.map_err(|error| wrong(&format!("cannot be run: {error}")))?;
    if !done.status.success() {
        return Err(wrong(&format!("failed ({})", done.status)));
    }
    String::from_utf8(done.stdout).map_err(|_| wrong(&"printed no text"))
}

/// One key a line or between commas, behind `#` a remark. Says nothing of what it read.
fn read(text: &str) -> Result<Vec<MasterKey>, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace()));
    let keys = words.filter(|word| !word.is_empty()).enumerate().map(|(position, word)| {
        let bytes = unhex(word).and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        let key = bytes.and_then(|bytes| MasterKey::new(&bytes));
        key.ok_or_else(|| format!("master key {} is not 64 hexadecimal digits", position + 1))
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err("the source of the master key is empty".to_owned()) } else { Ok(keys) }
}

impl MasterKey {
    fn new(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        // Not the key's own hash: the id is shown.
        let mut id = sha256_hex(&[b"noukai master key ", &bytes[..]].concat());
        id.truncate(ID);
        Some(Self { id, key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?) })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

/// A new master key in a file of its own, readable by its owner alone; where, and the key's id. One that is there is left
/// as it is.
pub(crate) fn make_key(source: &MasterKeySource, data: &Path) -> Result<(PathBuf, String), String> {
    let path = match source {
        MasterKeySource::Data => data.join(FILE),
        MasterKeySource::File(path) => path.clone(),
        MasterKeySource::Given(_) | MasterKeySource::Command(_) => {
            let why = "the master key is configured to be from the environment or a command: make it there, of 64 \
                       hexadecimal digits, as `openssl rand -hex 32` prints them";
            return Err(why.to_owned());
        }
    };
    let mut bytes = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random numbers".to_owned())?;
    let key = MasterKey::new(&bytes).ok_or("the key cannot be used")?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text =
        format!("# Opens the provider keys in the database. Keep a copy of it apart from the database's.\n{digits}\n");
    write_new(&path, &text).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    Ok((path, key.id))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const TWO: &str = "FF112233445566778899aabbccddeeff00112233445566778899aabbccddee00";

    fn vault(text: &str) -> Vault {
        Vault { keys: read(text).unwrap(), fault: None }
    }

    #[test]
    fn what_is_sealed_opens_as_the_same_alone() {
        let (vault, key) = (vault(ONE), Secret::new("sk-key"));
        let (sealed, again) = (vault.seal(&key, "a").unwrap(), vault.seal(&key, "a").unwrap());
        assert_ne!(sealed.bytes, again.bytes, "each has its own nonce");
        assert!(!sealed.bytes.windows(3).any(|part| part == b"key"));
        assert_eq!(vault.unseal(&sealed, "a").unwrap().expose(), "sk-key");
        assert_eq!(vault.unseal(&sealed, "b").unwrap_err(), VaultError::Tampered);
        for position in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[position] ^= 1;
            assert_eq!(vault.unseal(&changed, "a").unwrap_err(), VaultError::Tampered);
            changed.bytes.truncate(position);
            assert_eq!(vault.unseal(&changed, "a").unwrap_err(), VaultError::Tampered);
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let old = vault(ONE).seal(&Secret::new("x"), "a").unwrap();
        let both = vault(&format!("# new\n{TWO} # since May\n\n{ONE}"));
        assert_eq!(both.unseal(&old, "a").unwrap().expose(), "x");
        assert_eq!(both.seal(&Secret::new("x"), "a").unwrap().with, both.ids().next().unwrap());
        assert_ne!(both.ids().next(), Some(old.with.as_str()));
        let new = vault(TWO);
        assert_eq!(new.unseal(&old, "a").unwrap_err(), VaultError::Unknown(old.with));
        assert!(!format!("{new:?}").to_lowercase().contains("ff1122"));
    }

    #[test]
    fn what_is_no_key_is_told_and_not_shown() {
        for (text, why) in [
            ("", "the source of the master key is empty"),
            ("# nothing", "the source of the master key is empty"),
            ("secret", "master key 1 is not 64 hexadecimal digits"),
            (&ONE[2..], "master key 1 is not 64 hexadecimal digits"),
            (&format!("{ONE},{}g", &ONE[1..]), "master key 2 is not 64 hexadecimal digits"),
        ] {
            assert_eq!(read(text).err().as_deref(), Some(why));
        }
    }

    #[tokio::test]
    async fn keys_come_from_a_file_of_their_owners_or_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = Vault::open(&MasterKeySource::Data, folder.path()).await;
        assert_eq!((nothing.ids().count(), nothing.fault()), (0, None));
        assert_eq!(nothing.seal(&Secret::new("x"), "a").unwrap_err(), VaultError::NoKey(String::new()));

        let (path, id) = make_key(&MasterKeySource::Data, folder.path()).unwrap();
        assert!(make_key(&MasterKeySource::Data, folder.path()).unwrap_err().contains("exists"), "never overwritten");
        for source in [MasterKeySource::Data, MasterKeySource::File(path.clone())] {
            assert_eq!(Vault::open(&source, folder.path()).await.ids().collect::<Vec<_>>(), [id.as_str()]);
        }
        let command = |text: &str| MasterKeySource::Command(text.to_owned());
        let printed = Vault::open(&command(&format!("cat '{}'", path.display())), folder.path()).await;
        assert!(printed.has(&id));
        for (wrong, why) in
            [(command("echo secret >&2; exit 3"), "failed (exit status: 3)"), (command("true"), "empty")]
        {
            let vault = Vault::open(&wrong, folder.path()).await;
            assert!(vault.fault().unwrap().contains(why) && !vault.fault().unwrap().contains("secret"), "{vault:?}");
        }
        let missing = Vault::open(&MasterKeySource::File(folder.path().join("none")), folder.path()).await;
        assert!(missing.fault().unwrap().contains("none cannot be read"), "{missing:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = make_key(&MasterKeySource::Data, folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let vault = Vault::open(&MasterKeySource::Data, folder.path()).await;
            assert_eq!(vault.ids().count(), 0);
            assert!(vault.fault().unwrap().contains("chmod 600"), "{vault:?}");
        }
    }
}
