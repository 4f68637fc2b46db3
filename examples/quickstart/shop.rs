//! A shop without customers: it reads a list of wares and adds up their prices.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: shop FILE");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("shop: {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut total = 0;
    for line in text.lines() {
        let (ware, price) = line.split_once(' ').unwrap_or((line, "0"));
        let price: u32 = price.trim().parse().unwrap_or(0);
        println!("{ware:<10} {price:>4}");
        total += price;
    }
    println!("{:<10} {total:>4}", "total");
    ExitCode::SUCCESS
}
