//! Who logs in to the database: from a file or from the environment, and never shown.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result, bail};

use super::address::Kind;

/// A password. It has no text form, so that no message can hold it by accident.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    /// The password itself, for the driver only.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is known of the login besides the URL. What is `None` is left to the driver, which for PostgreSQL reads
/// `PGUSER`, `PGPASSWORD`, `PGPASSFILE` and `~/.pgpass`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Login {
    /// From the file if there is one, otherwise from the environment: `PINLAKE_DB_USER`, `PINLAKE_DB_PASSWORD`, and for
    /// MySQL `MYSQL_PWD`. An empty variable counts as none.
    pub(super) fn find(file: Option<&Path>, kind: Kind, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if let Some(file) = file {
            return Self::read(file);
        }
        let variable = |name| lookup(name).filter(|value| !value.is_empty());
        let own = match kind {
            Kind::MySql => variable("MYSQL_PWD"),
            Kind::Postgres => None,
        };
        Ok(Self {
            user: variable("PINLAKE_DB_USER"),
            password: variable("PINLAKE_DB_PASSWORD").or(own).map(Secret),
        })
    }

    /// A TOML file with `password = "…"` and, if the URL does not name the user, `user = "…"`.
    fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("could not read the credentials in {shown}"))?;
        private(file)?;
        // The parser's own message quotes the line, which may be the password's.
        let table: toml::Table = match toml::from_str(&text) {
            Ok(table) => table,
            Err(error) => {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                bail!("{shown}:{line}: no TOML; it looks like  password = \"…\"");
            }
        };
        if let Some(name) = table.keys().find(|name| !matches!(name.as_str(), "user" | "password")) {
            bail!("{shown}: `{name}` is unknown; there are `user` and `password`");
        }
        let text = |name| match table.get(name) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => bail!("{shown}: `{name}` must be text, in quotes"),
        };
        let Some(password) = text("password")? else {
            bail!("{shown} holds no `password`");
        };
        Ok(Self {
            user: text("user")?,
            password: Some(Secret(password)),
        })
    }
}

/// Refuses a file that others may read.
#[cfg(unix)]
fn private(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = fs::metadata(file)
        .with_context(|| format!("could not look at {}", file.display()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let file = file.display();
        bail!(
            "others may read the credentials in {file} (mode {:03o}): chmod 600 {file}",
            mode & 0o777
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn login(user: Option<&str>, password: Option<&str>) -> Login {
        Login {
            user: user.map(str::to_owned),
            password: password.map(|password| Secret(password.to_owned())),
        }
    }

    fn written(text: &str, mode: u32) -> (TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempdir().unwrap();
        let file = folder.path().join("credentials.toml");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        (folder, file)
    }

    #[test]
    fn the_environment_is_read_through_the_lookup() {
        let find = |kind, variables: &'static [(&str, &str)]| {
            let lookup = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Login::find(None, kind, lookup).unwrap()
        };
        let ours = &[
            ("PINLAKE_DB_USER", "jo"),
            ("PINLAKE_DB_PASSWORD", "a"),
            ("MYSQL_PWD", "b"),
        ];
        assert_eq!(find(Kind::MySql, ours), login(Some("jo"), Some("a")));
        assert_eq!(find(Kind::Postgres, ours), login(Some("jo"), Some("a")));
        let theirs = &[("PINLAKE_DB_PASSWORD", ""), ("MYSQL_PWD", "b")];
        assert_eq!(find(Kind::MySql, theirs), login(None, Some("b")));
        assert_eq!(find(Kind::Postgres, theirs), login(None, None));
    }

    #[test]
    fn a_file_comes_before_the_environment() {
        for (text, expected) in [
            (
                "user = \"jo\"\npassword = \"p\\\"q\"\n",
                login(Some("jo"), Some("p\"q")),
            ),
            ("# the reader's\npassword = 'p'", login(None, Some("p"))),
        ] {
            let (_folder, file) = written(text, 0o600);
            let found = Login::find(Some(&file), Kind::MySql, |_| Some("environment".into())).unwrap();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn mistakes_in_a_file_are_told_without_its_secrets() {
        for (text, told) in [
            ("user = \"jo\"\npassword = hunter2\n", ":2: no TOML"),
            ("password = \"hunter2\n", ":1: no TOML"),
            ("password: hunter2", ":1: no TOML"),
            ("password = 4711", "`password` must be text"),
            ("pasword = \"hunter2\"", "`pasword` is unknown"),
            ("user = \"jo\"", "holds no `password`"),
        ] {
            let (_folder, file) = written(text, 0o600);
            let error = format!("{:#}", Login::read(&file).unwrap_err());
            assert!(error.contains(told), "{text}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("4711"), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o644, 0o640, 0o604] {
            let (_folder, file) = written("password = \"hunter2\"", mode);
            let error = Login::read(&file).unwrap_err().to_string();
            assert!(
                error.contains(&format!("mode {mode:03o}")) && error.contains("chmod 600"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_password_has_no_text_form() {
        assert!(!format!("{:?}", login(Some("jo"), Some("hunter2"))).contains("hunter2"));
    }
}
