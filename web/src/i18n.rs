//! The words of the widgets, in each language of the book. What a card says itself comes with the card.

use exercises::lang::Lang;

/// Labels, buttons and messages. `{}` stands for a value, in order.
pub(crate) struct Words {
    pub(crate) own_answer: &'static str,
    pub(crate) own_answer_hint: &'static str,
    pub(crate) reveal: &'static str,
    pub(crate) hide: &'static str,
    pub(crate) self_score: &'static str,
    pub(crate) said: &'static str,
    pub(crate) check: &'static str,
    pub(crate) again: &'static str,
    pub(crate) right: &'static str,
    pub(crate) wrong: &'static str,
    pub(crate) your_choices: &'static str,
    pub(crate) your_order: &'static str,
    pub(crate) your_word: &'static str,
    pub(crate) your_number: &'static str,
    pub(crate) not_a_number: &'static str,
    pub(crate) right_answer: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
    pub(crate) score: &'static str,
    pub(crate) start_over: &'static str,
    pub(crate) not_kept: &'static str,
    pub(crate) unreadable: &'static str,
}

/// The words in one language.
pub(crate) const fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &EN,
        Lang::ZhCn => &ZH,
    }
}

const EN: Words = Words {
    own_answer: "Your answer",
    own_answer_hint: "In your own words, as you would say it in an interview. It stays in this browser.",
    reveal: "Think first, then show the answer",
    hide: "Hide the answer",
    self_score: "Score yourself: which points did you make?",
    said: "{} of {} points",
    check: "Check",
    again: "Try again",
    right: "Right",
    wrong: "Not right",
    your_choices: "Your choice",
    your_order: "Your order",
    your_word: "Your word",
    your_number: "Your number",
    not_a_number: "This is not a number.",
    right_answer: "The right answer: {}",
    up: "Move up: {}",
    down: "Move down: {}",
    score: "{} of {} right, {} answered",
    start_over: "Start the quiz over",
    not_kept: "The browser has no room or does not allow storage: what you type here is forgotten when the page closes.",
    unreadable: "The card's data cannot be read, so only its text works: {}",
};

const ZH: Words = Words {
    own_answer: "你的回答",
    own_answer_hint: "用自己的话写，就像在面试中回答一样。内容只保存在本浏览器中。",
    reveal: "先想一想，再看答案",
    hide: "收起答案",
    self_score: "给自己打分：你说到了哪几点？",
    said: "{} / {} 点",
    check: "检查",
    again: "再试一次",
    right: "正确",
    wrong: "不对",
    your_choices: "你的选择",
    your_order: "你的排序",
    your_word: "你的答案",
    your_number: "你的数值",
    not_a_number: "这不是一个数。",
    right_answer: "正确答案：{}",
    up: "上移：{}",
    down: "下移：{}",
    score: "答对 {} / {} 题，已答 {} 题",
    start_over: "重新开始测验",
    not_kept: "浏览器空间不足或不允许存储：关闭页面后，这里输入的内容会丢失。",
    unreadable: "无法读取卡片数据，因此只有文字可用：{}",
};

/// The pattern with its `{}` filled in order.
pub(crate) fn fill(pattern: &str, values: &[&str]) -> String {
    let mut values = values.iter();
    let mut parts = pattern.split("{}");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(values.next().copied().unwrap_or_default());
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_and_are_not_read_again() {
        assert_eq!(fill("{} of {}", &["{}", "3"]), "{} of 3");
        assert_eq!(fill("{}", &[]), "");
    }

    #[test]
    fn both_languages_take_the_same_values() {
        let patterns = |words: &Words| [words.said, words.score, words.up, words.down, words.right_answer, words.unreadable];
        for (english, chinese) in patterns(&EN).into_iter().zip(patterns(&ZH)) {
            assert_eq!(english.matches("{}").count(), chinese.matches("{}").count(), "{english}");
        }
    }
}
