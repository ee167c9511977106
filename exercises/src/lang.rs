//! The languages of the book.
//!
//! Every page, card and message of the workbook exists in each of them. A language is also the first path segment of
//! its pages (`/en/pods/creation.html`) and the folder of its sources (`book/en/pods/creation.md`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One language of the workbook. The order is the order in menus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lang {
    /// English, the source language.
    #[serde(rename = "en")]
    En,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    ZhCn,
}

impl Lang {
    /// Every language, in menu order.
    pub const ALL: [Self; 2] = [Self::En, Self::ZhCn];

    /// The BCP 47 tag, as in the `lang` attribute, in URLs and in folder names.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::ZhCn => "zh-CN",
        }
    }

    /// The name of the language in that language, for menus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::ZhCn => "简体中文",
        }
    }

    /// The language of this exact tag (case does not matter), or `None`.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.code().eq_ignore_ascii_case(code))
    }

    /// The language of a POSIX locale, as in `LANG`: `zh_CN.UTF-8`, `en_GB`, `C.UTF-8`. Chinese in traditional characters is served
    /// with the simplified ones too. `None` for a language that the book does not have.
    pub fn from_locale(locale: &str) -> Option<Self> {
        match locale.split(['_', '-', '.', '@']).next()? {
            "en" | "C" | "POSIX" => Some(Self::En),
            "zh" => Some(Self::ZhCn),
            _ => None,
        }
    }

    /// The one of two texts that is in this language.
    pub fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::ZhCn => zh,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back() {
        for lang in Lang::ALL {
            assert_eq!(Lang::from_code(lang.code()), Some(lang));
            assert_eq!(serde_json::to_string(&lang).unwrap(), format!("\"{}\"", lang.code()));
        }
        assert_eq!(Lang::from_code("ZH-cn"), Some(Lang::ZhCn));
        assert_eq!(Lang::from_code("fr"), None);
    }

    #[test]
    fn locales_are_read_as_posix_writes_them() {
        for (locale, lang) in
            [("en_US.UTF-8", Some(Lang::En)), ("C", Some(Lang::En)), ("zh_CN.utf8", Some(Lang::ZhCn)), ("zh", Some(Lang::ZhCn))]
        {
            assert_eq!(Lang::from_locale(locale), lang, "{locale}");
        }
        assert_eq!((Lang::from_locale("fr_FR"), Lang::from_locale("")), (None, None));
    }
}
