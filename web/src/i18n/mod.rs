//! The words of the widgets, in each language of the book. What a card says itself comes with the card.

mod en;
mod zh;

use en::EN;
use exercises::lang::Lang;
use zh::ZH;

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
    pub(crate) stopped: &'static str,
    pub(crate) editor: &'static str,
    pub(crate) editor_hint: &'static str,
    pub(crate) files: &'static str,
    pub(crate) file_label: &'static str,
    pub(crate) file_name: &'static str,
    pub(crate) add_file: &'static str,
    pub(crate) add: &'static str,
    pub(crate) restore: &'static str,
    pub(crate) apply: &'static str,
    pub(crate) problems: &'static str,
    pub(crate) place: &'static str,
    pub(crate) error: &'static str,
    pub(crate) warning: &'static str,
    pub(crate) terminal: &'static str,
    pub(crate) output: &'static str,
    pub(crate) command_line: &'static str,
    pub(crate) command_placeholder: &'static str,
    pub(crate) terminal_hint: &'static str,
    pub(crate) cluster: &'static str,
    pub(crate) unscheduled: &'static str,
    pub(crate) workloads: &'static str,
    pub(crate) no_pods: &'static str,
    pub(crate) and_more: &'static str,
    pub(crate) cut_node: &'static str,
    pub(crate) heal_node: &'static str,
    pub(crate) cut_hint: &'static str,
    pub(crate) members: &'static str,
    pub(crate) member_stopped: &'static str,
    pub(crate) kill: &'static str,
    pub(crate) start_again: &'static str,
    pub(crate) kill_hint: &'static str,
    pub(crate) cut_member_hint: &'static str,
    pub(crate) member_log: &'static str,
    pub(crate) components: &'static str,
    pub(crate) component_leads: &'static str,
    pub(crate) component_waits: &'static str,
    pub(crate) component_runs: &'static str,
    pub(crate) autoscalers: &'static str,
    pub(crate) curve_replicas: &'static str,
    pub(crate) curve_proposed: &'static str,
    pub(crate) curve_used: &'static str,
    pub(crate) curve_target: &'static str,
    pub(crate) curve_table: &'static str,
    pub(crate) curve_now: &'static str,
    pub(crate) probes: &'static str,
    pub(crate) probe: &'static str,
    pub(crate) probe_success: &'static str,
    pub(crate) probe_failure: &'static str,
    pub(crate) probe_late: &'static str,
    pub(crate) counts_good: &'static str,
    pub(crate) counts_bad: &'static str,
    pub(crate) counts_neither: &'static str,
    pub(crate) strip_of: &'static str,
    pub(crate) strip_container: &'static str,
    pub(crate) when: &'static str,
    pub(crate) result: &'static str,
    pub(crate) in_a_row: &'static str,
    pub(crate) follows: &'static str,
    pub(crate) output_said: &'static str,
    pub(crate) was_started: &'static str,
    pub(crate) is_killed: &'static str,
    pub(crate) has_exited: &'static str,
    pub(crate) pod_removed: &'static str,
    pub(crate) others_begin: &'static str,
    pub(crate) kubelet_kills: &'static str,
    pub(crate) stays_alive: &'static str,
    pub(crate) becomes_ready: &'static str,
    pub(crate) not_ready: &'static str,
    pub(crate) runs_after: &'static str,
    pub(crate) runs_not: &'static str,
    pub(crate) informers: &'static str,
    pub(crate) component: &'static str,
    pub(crate) informer_of: &'static str,
    pub(crate) knows_nothing: &'static str,
    pub(crate) flow: &'static str,
    pub(crate) informers_all: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) reflector_stopped: &'static str,
    pub(crate) reflector_watch_list: &'static str,
    pub(crate) reflector_listing: &'static str,
    pub(crate) reflector_watching: &'static str,
    pub(crate) reflector_waiting: &'static str,
    pub(crate) reflector_asked: &'static str,
    pub(crate) reflector_failed: &'static str,
    pub(crate) fifo_now: &'static str,
    pub(crate) last_moved: &'static str,
    pub(crate) cache_now: &'static str,
    pub(crate) not_synced: &'static str,
    pub(crate) indices: &'static str,
    pub(crate) newest_objects: &'static str,
    pub(crate) handlers: &'static str,
    pub(crate) handlers_told: &'static str,
    pub(crate) work_queues: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) queue_ready: &'static str,
    pub(crate) queue_processing: &'static str,
    pub(crate) queue_waiting: &'static str,
    pub(crate) queue_added: &'static str,
    pub(crate) queue_merged: &'static str,
    pub(crate) queue_retried: &'static str,
    pub(crate) timeline: &'static str,
    pub(crate) lanes: &'static str,
    pub(crate) all_events: &'static str,
    pub(crate) no_events: &'static str,
    pub(crate) events_dropped: &'static str,
    pub(crate) how_so: &'static str,
    pub(crate) after_ms: &'static str,
    pub(crate) verdicts: &'static str,
    pub(crate) total: &'static str,
    pub(crate) scheduler: &'static str,
    pub(crate) decision: &'static str,
    pub(crate) newest_decision: &'static str,
    pub(crate) winner: &'static str,
    pub(crate) fits: &'static str,
    pub(crate) only_fit: &'static str,
    pub(crate) best_fit: &'static str,
    pub(crate) drawn_fit: &'static str,
    pub(crate) controls: &'static str,
    pub(crate) play: &'static str,
    pub(crate) pause: &'static str,
    pub(crate) step: &'static str,
    pub(crate) step_hint: &'static str,
    pub(crate) advance: &'static str,
    pub(crate) speed: &'static str,
    pub(crate) clock: &'static str,
    pub(crate) reset: &'static str,
    pub(crate) reset_hint: &'static str,
    pub(crate) new_numbers: &'static str,
    pub(crate) widen: &'static str,
    pub(crate) narrow: &'static str,
    pub(crate) was_reset: &'static str,
    pub(crate) start_lab: &'static str,
    pub(crate) resume_lab: &'static str,
    pub(crate) starting: &'static str,
    pub(crate) lab_hint: &'static str,
    pub(crate) crashed: &'static str,
    pub(crate) restart: &'static str,
    pub(crate) standing: &'static str,
    pub(crate) lab_passed: &'static str,
    pub(crate) task_passed: &'static str,
    pub(crate) passed: &'static str,
    pub(crate) open: &'static str,
    pub(crate) checks: &'static str,
    pub(crate) holds: &'static str,
    pub(crate) holds_not: &'static str,
    pub(crate) actual: &'static str,
    pub(crate) needs_reset: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) computing: &'static str,
    pub(crate) truth: &'static str,
    pub(crate) what_happened: &'static str,
}

/// The words in one language.
pub(crate) const fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &EN,
        Lang::ZhCn => &ZH,
    }
}

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
        let patterns = |words: &Words| {
            [
                words.said,
                words.score,
                words.up,
                words.down,
                words.right_answer,
                words.unreadable,
                words.stopped,
                words.file_label,
                words.place,
                words.and_more,
                words.after_ms,
                words.advance,
                words.crashed,
                words.standing,
                words.task_passed,
                words.strip_of,
                words.was_started,
                words.has_exited,
                words.runs_after,
                words.reflector_waiting,
                words.reflector_asked,
                words.reflector_failed,
                words.fifo_now,
                words.last_moved,
                words.cache_now,
                words.indices,
                words.handlers_told,
            ]
        };
        for (english, chinese) in patterns(&EN).into_iter().zip(patterns(&ZH)) {
            assert_eq!(english.matches("{}").count(), chinese.matches("{}").count(), "{english}");
        }
    }
}
