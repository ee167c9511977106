//! `$((…))`: 64-bit integers with the operators of C, by precedence.
//!
//! **Simplified here:** no assignments.

/// Evaluates an expression; `lookup` gives the values of variables.
///
/// # Errors
/// The shell's message.
pub(crate) fn evaluate(text: &str, lookup: &dyn Fn(&str) -> String) -> Result<i64, String> {
    let mut parser = Parser { rest: text, lookup, depth: 0 };
    let value = parser.binary(0)?;
    parser.rest = parser.rest.trim_start();
    if parser.rest.is_empty() { Ok(value) } else { Err("arithmetic syntax error".to_owned()) }
}

struct Parser<'a> {
    rest: &'a str,
    lookup: &'a dyn Fn(&str) -> String,
    depth: usize,
}

/// Operators by rising precedence; longer ones first within a level.
const LEVELS: &[&[&str]] =
    &[&["||"], &["&&"], &["|"], &["^"], &["&"], &["==", "!="], &["<=", ">=", "<", ">"], &["<<", ">>"], &["+", "-"], &["*", "/", "%"]];

impl Parser<'_> {
    fn operator(&mut self, level: usize) -> Option<&'static str> {
        self.rest = self.rest.trim_start();
        let operator = LEVELS[level].iter().find(|operator| self.rest.starts_with(**operator))?;
        let after = &self.rest[operator.len()..];
        // `&` is not the beginning of `&&`, `<` not that of `<<`.
        let longer = matches!(*operator, "|" | "&" | "<" | ">") && after.starts_with(*operator);
        if longer {
            return None;
        }
        self.rest = after;
        Some(operator)
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("arithmetic syntax error".to_owned());
        }
        self.rest = self.rest.trim_start();
        let value = if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let value = self.binary(0)?;
            self.rest = self.rest.trim_start().strip_prefix(')').ok_or("arithmetic syntax error")?;
            value
        } else if let Some(rest) = self.rest.strip_prefix(['-', '+', '!', '~']) {
            let sign = self.rest.as_bytes()[0];
            self.rest = rest;
            let value = self.unary()?;
            match sign {
                b'-' => value.wrapping_neg(),
                b'!' => i64::from(value == 0),
                b'~' => !value,
                _ => value,
            }
        } else {
            self.operand()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn operand(&mut self) -> Result<i64, String> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        let bad = || "arithmetic syntax error".to_owned();
        match token.chars().next() {
            None => Err(bad()),
            Some(c) if c.is_ascii_digit() => number(token).ok_or_else(bad),
            Some(_) => Ok(number((self.lookup)(token).trim()).unwrap_or(0)),
        }
    }
}

fn number(text: &str) -> Option<i64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, String> {
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.wrapping_shl(u32::try_from(right & 63).unwrap_or(0)),
        ">>" => left.wrapping_shr(u32::try_from(right & 63).unwrap_or(0)),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        _ if right == 0 => return Err("divide by zero".to_owned()),
        "/" => left.wrapping_div(right),
        _ => left.wrapping_rem(right),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_cs_precedence() {
        let lookup = |name: &str| if name == "i" { "7".to_owned() } else { String::new() };
        for (text, value) in
            [("1+2*3", 7), ("(1+2)*3", 9), ("i+1", 8), ("i%4 == 3 && 1", 1), ("-i", -7), ("!0", 1), ("1<<4", 16), ("unset", 0), ("010", 8)]
        {
            assert_eq!(evaluate(text, &lookup), Ok(value), "{text}");
        }
        assert_eq!(evaluate("1/0", &lookup), Err("divide by zero".to_owned()));
        assert!(evaluate("1 +", &lookup).is_err());
        assert!(evaluate(&"(".repeat(10_000), &lookup).is_err());
    }
}
