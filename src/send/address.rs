//! Where the database is: the URL of `--from`, which holds no password.
//!
//! A command line can be read by everyone on the machine (`ps`) and is kept in the shell's history. So a URL with a
//! password is refused, and no message repeats what stood where a password may have been.

use std::fmt;

use anyhow::{Result, bail};
use url::Url;

/// Which protocol a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// A database's URL without a password.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) kind: Kind,
    url: Url,
}

const FORMS: &str = "mysql://USER@HOST:PORT/DATABASE or postgres://USER@HOST:PORT/DATABASE";
const INSTEAD: &str = "put it into PINLAKE_DB_PASSWORD or a file for --credentials instead, \
     and change it: others may have seen it in the list of processes or the shell's history";

impl Address {
    /// Parses the URL, and refuses one with a password.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(reason) if text.contains('@') => {
                bail!("--from holds no URL that can be read ({reason}); a password in it must go: {INSTEAD}")
            }
            Err(reason) => bail!("--from holds no URL that can be read ({reason}); it looks like {FORMS}"),
        };
        let kind = match url.scheme() {
            "mysql" | "mariadb" => Kind::MySql,
            "postgres" | "postgresql" => Kind::Postgres,
            scheme => bail!("--from cannot read from `{scheme}:`; it looks like {FORMS}"),
        };
        let names_password = |(name, _): (std::borrow::Cow<'_, str>, _)| {
            ["pass", "pwd"]
                .iter()
                .any(|part| name.to_ascii_lowercase().contains(part))
        };
        // An unescaped `/`, `?` or `#` in a password ends the host early and leaves the `@` behind.
        let behind_the_host = [Some(url.path()), url.query(), url.fragment()];
        if url.password().is_some()
            || url.query_pairs().any(names_password)
            || url.fragment().is_some()
            || behind_the_host.iter().flatten().any(|part| part.contains('@'))
        {
            bail!("the URL of --from holds a password: {INSTEAD}");
        }
        if url.host_str().is_none_or(str::is_empty) && kind == Kind::MySql {
            bail!("the URL of --from names no host; it looks like {FORMS}");
        }
        if url.path().trim_matches('/').is_empty() && kind == Kind::MySql {
            bail!("the URL of --from names no database; it looks like {FORMS}");
        }
        Ok(Self { kind, url })
    }

    /// The URL for the driver, with the user who logs in. An error when the URL names another one.
    pub(super) fn with_user(&self, user: Option<&str>) -> Result<Url> {
        let mut url = self.url.clone();
        if let Some(user) = user {
            let named = url.username().to_owned();
            if url.set_username(user).is_err() {
                bail!("the URL of --from needs a host to log in as `{user}`");
            }
            if !named.is_empty() && named != url.username() {
                bail!("the URL of --from names the user `{named}`, the credentials name `{user}`: leave one out");
            }
        }
        if url.username().is_empty() && self.kind == Kind::MySql {
            bail!("no user to log in with: name one in the URL, in PINLAKE_DB_USER or in a file for --credentials");
        }
        Ok(url)
    }
}

/// For people: without user and parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.url.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_tells_the_protocol() {
        for (url, kind) in [
            ("mysql://reader@db.example.org/pins", Kind::MySql),
            ("mariadb://db/pins", Kind::MySql),
            ("postgres://db:5433/pins", Kind::Postgres),
            ("postgresql:///pins", Kind::Postgres),
        ] {
            assert_eq!(Address::parse(url).unwrap().kind, kind, "{url}");
        }
    }

    #[test]
    fn a_password_anywhere_in_the_url_is_refused_and_not_repeated() {
        for url in [
            "mysql://reader:hunter2@db/pins",
            "postgres://:hunter2@db/pins",
            "postgres://db/pins?password=hunter2",
            "mysql://db/pins?ssl-mode=REQUIRED&PWD=hunter2",
            // What is left of a password with characters that a URL would have needed escaped.
            "postgres://reader:12/hunter2@db/pins",
            "postgres://reader:12?hunter2@db/pins",
            "postgres://reader:12#hunter2@db/pins",
            "postgres://reader:hunter2/x@db/pins",
            "mysql://reader:hunter2#x@db/pins",
        ] {
            let error = format!("{:#}", Address::parse(url).unwrap_err());
            assert!(
                error.contains("password") && error.contains("PINLAKE_DB_PASSWORD"),
                "{url}: {error}"
            );
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn other_mistakes_are_explained() {
        for (url, told) in [
            ("rows.db", "relative URL without a base"),
            ("sqlite://rows.db", "cannot read from `sqlite:`"),
            ("mysql://db", "names no database"),
            ("mysql:///pins", "names no host"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(
                error.contains(told) && error.contains("postgres://USER@HOST"),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn one_user_logs_in() {
        let user = |url: &str, user| {
            let url = Address::parse(url).unwrap().with_user(user);
            url.map(|url| url.username().to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(user("mysql://reader@db/pins", None).unwrap(), "reader");
        assert_eq!(user("mysql://reader@db/pins", Some("reader")).unwrap(), "reader");
        assert_eq!(user("mysql://db/pins", Some("jo@home")).unwrap(), "jo%40home");
        assert_eq!(
            user("postgres://db/pins", None).unwrap(),
            "",
            "PGUSER is the driver's to read"
        );
        assert!(user("mysql://db/pins", None).unwrap_err().contains("no user"));
        let two = user("mysql://reader@db/pins", Some("writer")).unwrap_err();
        assert!(two.contains("`reader`") && two.contains("`writer`"), "{two}");
    }

    #[test]
    fn people_see_neither_user_nor_parameters() {
        let shown = Address::parse("postgres://reader@db:5433/pins?sslmode=require")
            .unwrap()
            .to_string();
        assert_eq!(shown, "postgres://db:5433/pins");
    }
}
