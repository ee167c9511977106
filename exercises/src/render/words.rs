//! The words around a card's own texts, in each language.

use crate::lang::Lang;

/// Headings and labels.
pub(super) struct Words {
    pub(super) level: [&'static str; 3],
    pub(super) reveal: &'static str,
    pub(super) detail: &'static str,
    pub(super) rubric: &'static str,
    pub(super) pitfalls: &'static str,
    pub(super) in_fact: &'static str,
    pub(super) quiz: &'static str,
    pub(super) quiz_answer: &'static str,
    pub(super) choose_one: &'static str,
    pub(super) choose_many: &'static str,
    pub(super) put_in_order: &'static str,
    pub(super) fill_in: &'static str,
    pub(super) give_number: &'static str,
    pub(super) right: &'static str,
    pub(super) wrong: &'static str,
    pub(super) lab: &'static str,
    pub(super) files: &'static str,
    pub(super) predict: &'static str,
    pub(super) operate: &'static str,
    pub(super) computed: &'static str,
    pub(super) checks: &'static str,
    pub(super) hints: &'static str,
    pub(super) solution: &'static str,
    pub(super) commands: &'static str,
    pub(super) sources: &'static str,
    pub(super) colon: &'static str,
}

/// The words in one language.
pub(super) const fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &EN,
        Lang::ZhCn => &ZH,
    }
}

const EN: Words = Words {
    level: ["Level 1: basics", "Level 2: operations", "Level 3: internals"],
    reveal: "Answer it aloud first, then look",
    detail: "In full",
    rubric: "What an interviewer listens for",
    pitfalls: "What older notes say",
    in_fact: "In fact: ",
    quiz: "Quiz",
    quiz_answer: "Answer",
    choose_one: "Choose one.",
    choose_many: "Choose all that are right.",
    put_in_order: "Put these in order.",
    fill_in: "Fill in the word.",
    give_number: "Give a number, in",
    right: "Right",
    wrong: "Wrong",
    lab: "Lab",
    files: "Files to start from",
    predict: "Predict",
    operate: "Do",
    computed: "The right answer is not written here: the engine finds it by running the lab.",
    checks: "It is done when",
    hints: "Hints",
    solution: "A solution",
    commands: "Commands",
    sources: "Read on",
    colon: ": ",
};

const ZH: Words = Words {
    level: ["第 1 级：基础", "第 2 级：运维", "第 3 级：原理"],
    reveal: "先自己说一遍，再看答案",
    detail: "完整解释",
    rubric: "面试官想听到什么",
    pitfalls: "旧笔记里的说法",
    in_fact: "实际上：",
    quiz: "小测验",
    quiz_answer: "答案",
    choose_one: "单选。",
    choose_many: "多选。",
    put_in_order: "排出正确的顺序。",
    fill_in: "填空。",
    give_number: "填一个数，单位：",
    right: "正确",
    wrong: "错误",
    lab: "实验",
    files: "初始文件",
    predict: "预测",
    operate: "动手",
    computed: "正确答案没有写在这里：引擎会运行实验把它算出来。",
    checks: "完成的标准",
    hints: "提示",
    solution: "参考解法",
    commands: "命令",
    sources: "延伸阅读",
    colon: "：",
};
