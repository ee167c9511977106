//! Brotli beside the files: `lab_bg.wasm.br` beside `lab_bg.wasm`, made once and served as it is.
//!
//! The highest quality costs seconds for the page's program, so each result is kept under the fingerprint of its content
//! and used again as long as that content comes back.

use std::fs;
use std::path::Path;

use brotli::enc::BrotliEncoderParams;

use crate::site::error::SiteError;
use crate::site::fingerprint::{files_below, of_bytes};

/// Files smaller than this gain nothing.
const MIN_BYTES: usize = 512;

/// File name endings that compress well. Fonts and images are compressed already.
const ENDINGS: [&str; 8] = ["wasm", "js", "mjs", "css", "html", "json", "svg", "txt"];

/// Compresses everything below `folder` that is worth it, keeping results in `cache`. Gives the number of files that had to be
/// compressed anew.
///
/// # Errors
/// [`SiteError::Io`] when a file cannot be read or written.
pub fn precompress(folder: &Path, cache: &Path) -> Result<usize, SiteError> {
    fs::create_dir_all(cache).map_err(SiteError::io("create", cache))?;
    let mut fresh = 0;
    for file in files_below(folder)? {
        let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !ENDINGS.contains(&ending) {
            continue;
        }
        let content = fs::read(&file).map_err(SiteError::io("read", &file))?;
        if content.len() < MIN_BYTES {
            continue;
        }
        let kept = cache.join(format!("{}.br", of_bytes(&content)));
        if !kept.is_file() {
            write_whole(&kept, &compress(&content))?;
            fresh += 1;
        }
        let mut beside = file.into_os_string();
        beside.push(".br");
        fs::copy(&kept, &beside).map_err(SiteError::io("write", &beside))?;
    }
    Ok(fresh)
}

/// One file's content in Brotli, quality 11 with the largest standard window.
pub fn compress(content: &[u8]) -> Vec<u8> {
    let params = BrotliEncoderParams { quality: 11, lgwin: 24, size_hint: content.len(), ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut out, &params).expect("memory can be read and written");
    out
}

/// Writes so that a cut-short run leaves no half file under the final name.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), SiteError> {
    let partial = path.with_extension("partial");
    fs::write(&partial, content).map_err(SiteError::io("write", &partial))?;
    fs::rename(&partial, path).map_err(SiteError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compresses_what_is_worth_it_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let (www, cache) = (dir.path().join("www"), dir.path().join("cache"));
        fs::create_dir_all(www.join("en")).unwrap();
        let text = "kubelet ".repeat(500);
        fs::write(www.join("en/a.html"), &text).unwrap();
        fs::write(www.join("same.html"), &text).unwrap();
        fs::write(www.join("small.css"), "a{}").unwrap();
        fs::write(www.join("font.woff2"), &text).unwrap();

        assert_eq!(precompress(&www, &cache).unwrap(), 1, "equal content is compressed once");
        assert!(www.join("en/a.html.br").is_file() && www.join("same.html.br").is_file());
        assert!(!www.join("small.css.br").exists() && !www.join("font.woff2.br").exists());
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &fs::read(www.join("en/a.html.br")).unwrap()[..], &mut back).unwrap();
        assert_eq!(back, text.as_bytes());

        assert_eq!(precompress(&www, &cache).unwrap(), 0);
        fs::write(www.join("en/a.html"), text.replace("kubelet", "kubectl")).unwrap();
        assert_eq!(precompress(&www, &cache).unwrap(), 1);
    }
}
