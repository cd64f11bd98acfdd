//! What is shown when the shop is open.

use crate::demo;

pub(super) fn print(public_url: &str, with_demo: bool, background: bool) {
    println!("\n  The shop is open: {public_url}\n");
    if with_demo {
        println!("  Demo sign-ins (password: {})", demo::PASSWORD);
        for person in demo::PEOPLE {
            println!("    {:<32} {}", person.email, person.name);
        }
        println!();
    }
    println!("  Test cards (paymentMethod)");
    for (card, meaning) in demo::CARDS {
        println!("    {card:<40} {meaning}");
    }
    println!("\n  Logs:      target/dev/logs");
    println!("  Addresses: target/dev/fleet.json");
    if background {
        println!("  Stop it:   cargo xtask down\n");
    } else {
        println!("  Stop it:   Ctrl-C\n");
    }
}
