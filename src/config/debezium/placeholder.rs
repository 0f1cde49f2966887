//! Placeholders in a connector file: `${env:NAME}`, `${file:/path:key}` of a Java properties file,
//! and `${dir:/path:name}` of a file in a folder, as Kafka Connect's config providers have them.
//!
//! Invariant: nothing outside of the folders for secrets is opened, wherever links lead. An unset
//! variable is empty here, so that a shipped file can be switched off by leaving variables unset.
//! A line end at the end of a `${dir}` file is taken off, unlike in Connect: editors put it there.

use std::path::{Path, PathBuf};

use super::properties;
use crate::config::Environment;
use crate::config::file::read_limited;

/// A secret's file is small.
const SECRET_FILE_BYTES_MAX: u64 = 1 << 20;

/// Where placeholders lead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver<'a> {
    pub(super) environment: &'a Environment,
    pub(super) secrets_dirs: &'a [PathBuf],
}

/// A text with its placeholders replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) text: String,
    /// Whether there was a placeholder; then the text may be a secret.
    pub(super) replaced: bool,
    /// Something like `${NAME}`, which is left as it is.
    pub(super) without_provider: Option<String>,
}

/// A placeholder that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub(super) placeholder: String,
    pub(super) what: String,
    pub(super) mend: String,
}

impl Resolver<'_> {
    /// Replaces every placeholder of `text`. What they give is not looked at again.
    pub(super) fn resolve(&self, text: &str) -> Result<Resolved, Unresolved> {
        let mut resolved = Resolved {
            text: String::new(),
            replaced: false,
            without_provider: None,
        };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            resolved.text.push_str(before);
            let Some((inner, tail)) = after.split_once('}') else {
                resolved.text.push_str("${");
                rest = after;
                continue;
            };
            rest = tail;
            match inner.split_once(':') {
                Some((provider, reference)) => {
                    let value = self.look_up(provider, reference);
                    let value = value.map_err(|(what, mend)| Unresolved {
                        placeholder: format!("${{{inner}}}"),
                        what,
                        mend,
                    })?;
                    resolved.text.push_str(&value);
                    resolved.replaced = true;
                }
                None => {
                    resolved.text.push_str(&format!("${{{inner}}}"));
                    resolved.without_provider = Some(format!("${{{inner}}}"));
                }
            }
        }
        resolved.text.push_str(rest);
        Ok(resolved)
    }

    fn look_up(&self, provider: &str, reference: &str) -> Result<String, (String, String)> {
        let forms = "write ${env:NAME}, ${file:/path:key} or ${dir:/path:name}";
        if provider == "env" {
            let name = reference.trim_start_matches(':');
            return Ok(self.environment.get(name).unwrap_or_default().to_owned());
        }
        let Some((path, key)) = reference.split_once(':') else {
            return Err(("a path and a key are wanted".to_owned(), forms.to_owned()));
        };
        match provider {
            "file" => self.of_file(Path::new(path), key),
            "dir" => self.of_folder(Path::new(path), key),
            other => Err((
                format!("there is no provider \"{other}\""),
                forms.to_owned(),
            )),
        }
    }

    fn of_file(&self, path: &Path, key: &str) -> Result<String, (String, String)> {
        let text = self.read(path)?;
        let found = properties::parse(&text)
            .into_iter()
            .rev()
            .find(|(name, _)| name == key);
        found.map(|(_, value)| value).ok_or_else(|| {
            let what = format!("\"{}\" has no key \"{key}\"", path.display());
            (what, "add it there".to_owned())
        })
    }

    fn of_folder(&self, folder: &Path, name: &str) -> Result<String, (String, String)> {
        if name.is_empty() || name.contains('/') || name == ".." {
            let what = format!("\"{name}\" is no file name");
            return Err((what, "name a file of the folder".to_owned()));
        }
        let mut text = self.read(&folder.join(name))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }

    /// Reads a file below the folders for secrets, after following all links.
    fn read(&self, path: &Path) -> Result<String, (String, String)> {
        let mend = "put it below a folder of PENSTOCK_SECRETS_DIRS, readable for this user";
        let allowed = |real: &Path| {
            self.secrets_dirs.iter().any(|folder| {
                folder
                    .canonicalize()
                    .is_ok_and(|folder| real.starts_with(folder))
            })
        };
        // Whether a file exists outside of the folders is not told either.
        let lexically = self
            .secrets_dirs
            .iter()
            .any(|folder| path.starts_with(folder));
        let outside = || {
            let what = format!(
                "\"{}\" is not below the folders for secrets",
                path.display()
            );
            (what, mend.to_owned())
        };
        let real = match path.canonicalize() {
            Ok(real) if allowed(&real) => real,
            Err(error) if lexically => {
                let what = format!("\"{}\" cannot be read: {error}", path.display());
                return Err((what, mend.to_owned()));
            }
            Ok(_) | Err(_) => return Err(outside()),
        };
        read_limited(&real, SECRET_FILE_BYTES_MAX).map_err(|error| {
            let what = format!("\"{}\" cannot be read: {error}", path.display());
            (what, mend.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(dirs: &[PathBuf], text: &str) -> Result<Resolved, Unresolved> {
        let environment: Environment = [("HOST", "db")].into_iter().collect();
        Resolver {
            environment: &environment,
            secrets_dirs: dirs,
        }
        .resolve(text)
    }

    #[test]
    fn variables_are_put_in_and_unset_ones_are_empty() {
        let text = |t| resolve(&[], t).unwrap().text;
        assert_eq!(text("${env:HOST}"), "db");
        assert_eq!(text("a${env:HOST}b${env:NONE}c"), "adbbc");
        assert_eq!(text("plain $ and ${ open"), "plain $ and ${ open");
    }

    #[test]
    fn a_placeholder_without_provider_is_left_and_told() {
        let resolved = resolve(&[], "x${HOST}").unwrap();
        assert_eq!(resolved.text, "x${HOST}");
        assert_eq!(resolved.without_provider.as_deref(), Some("${HOST}"));
        assert!(resolve(&[], "${vault:a:b}").is_err());
        assert!(resolve(&[], "${file:/only}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_resolved_or_refused(text in "[${}:a-z/.]{0,40}|\\PC{0,40}") {
            let _ = resolve(&[], &text);
            let _ = properties::parse(&text);
        }

        #[test]
        fn a_text_without_placeholders_is_left_alone(text in "[^$]{0,40}") {
            let resolved = resolve(&[], &text).unwrap();
            proptest::prop_assert!(!resolved.replaced);
            proptest::prop_assert_eq!(resolved.text, text);
        }
    }

    #[test]
    fn secrets_are_read_below_their_folders_only() {
        let secrets = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let write = |folder: &Path, name, text| std::fs::write(folder.join(name), text).unwrap();
        write(secrets.path(), "db.properties", "user = app\npw=a:b\n");
        write(secrets.path(), "password", "s3cret\n");
        write(elsewhere.path(), "password", "other");
        std::os::unix::fs::symlink(
            elsewhere.path().join("password"),
            secrets.path().join("link"),
        )
        .unwrap();
        let dirs = [secrets.path().to_owned()];
        let at = secrets.path().display();
        let text = |t: String| resolve(&dirs, &t).map(|resolved| resolved.text);
        assert_eq!(
            text(format!("${{file:{at}/db.properties:pw}}")).unwrap(),
            "a:b"
        );
        assert_eq!(text(format!("${{dir:{at}:password}}")).unwrap(), "s3cret");
        let outside = elsewhere.path().display();
        for refused in [
            format!("${{dir:{outside}:password}}"),
            format!(
                "${{dir:{at}/../{}:password}}",
                elsewhere.path().file_name().unwrap().display()
            ),
            format!("${{dir:{at}:link}}"),
            format!("${{dir:{at}:../x}}"),
            format!("${{dir:{at}:none}}"),
            format!("${{file:{at}/db.properties:none}}"),
            "${file:/etc/passwd:root}".to_owned(),
        ] {
            assert!(text(refused.clone()).is_err(), "{refused}");
        }
    }
}
