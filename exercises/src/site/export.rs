//! `clusterbook build`: copies the built site to a folder that any web server can serve, under any base path.

use std::fs;
use std::io;
use std::path::Path;

use crate::site::error::SiteError;
use crate::site::fingerprint::files_below;

/// Marks a folder that this program wrote and may replace. Hidden, so that it is not part of the site.
const MARKER: &str = ".clusterbook-site";

/// Makes `out` a copy of `www`. Gives the number of files and their bytes.
///
/// # Errors
/// [`SiteError::ForeignFolder`] when `out` holds files that this program did not write; [`SiteError::Io`].
pub fn export(www: &Path, out: &Path) -> Result<(usize, u64), SiteError> {
    if !is_ours_or_empty(out)? {
        return Err(SiteError::ForeignFolder(out.to_path_buf()));
    }
    match fs::remove_dir_all(out) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(SiteError::io("empty", out)(error)),
        _ => {}
    }
    fs::create_dir_all(out).map_err(SiteError::io("create", out))?;
    let marker = out.join(MARKER);
    fs::write(&marker, "Written by `clusterbook build`, which may replace this folder.\n").map_err(SiteError::io("write", &marker))?;
    let (mut files, mut bytes) = (0, 0);
    for from in files_below(www)? {
        let to = out.join(from.strip_prefix(www).unwrap_or(&from));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(SiteError::io("create", folder))?;
        }
        bytes += fs::copy(&from, &to).map_err(SiteError::io("write", &to))?;
        files += 1;
    }
    Ok((files, bytes))
}

fn is_ours_or_empty(out: &Path) -> Result<bool, SiteError> {
    match fs::read_dir(out) {
        Ok(mut entries) => Ok(out.join(MARKER).is_file() || entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(SiteError::io("read", out)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_folder_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (www, out) = (dir.path().join("www"), dir.path().join("out"));
        fs::create_dir_all(www.join("en")).unwrap();
        fs::write(www.join("en/a.html"), "a").unwrap();
        assert_eq!(export(&www, &out).unwrap(), (1, 1));
        fs::write(out.join("stale.html"), "x").unwrap();
        assert_eq!(export(&www, &out).unwrap(), (1, 1));
        assert!(!out.join("stale.html").exists() && out.join("en/a.html").is_file());

        let foreign = dir.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(export(&www, &foreign), Err(SiteError::ForeignFolder(_))));
        assert!(foreign.join("thesis.txt").exists());
    }
}
