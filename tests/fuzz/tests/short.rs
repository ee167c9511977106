//! Some cases of each target for every change; `cargo xtask fuzz` tries as many as there is time for.

#[test]
fn some_cases_hold_and_some_are_read() {
    for target in fuzz::TARGETS {
        let mut read = 0;
        for case in 0..400 {
            match fuzz::try_case(target, case) {
                Ok(was_read) => read += u32::from(was_read),
                Err(why) => panic!("{}: {why}\nrepeat it with: cargo xtask fuzz --case {case} --cases 1 {}", target.name, target.name),
            }
        }
        assert!((20..400).contains(&read), "{}: {read} of 400 inputs are read", target.name);
    }
}
