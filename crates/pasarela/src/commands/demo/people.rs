//! Invented people with plausible Colombian names, the same for the same number.

/// Somebody who buys or holds a ticket.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Person {
    pub(in crate::commands) first_name: String,
    pub(in crate::commands) last_name: String,
    pub(in crate::commands) email: String,
    /// As the person typed it.
    pub(in crate::commands) phone: Option<String>,
    /// The same number in E.164.
    pub(in crate::commands) e164: Option<String>,
}

const FIRST: [&str; 25] = [
    "Valentina",
    "Mateo",
    "Mariana",
    "Samuel",
    "Luciana",
    "Andrés",
    "Catalina",
    "Nicolás",
    "Isabella",
    "Julián",
    "Daniela",
    "Santiago",
    "Manuela",
    "Tomás",
    "Salomé",
    "Felipe",
    "Antonia",
    "Camilo",
    "Verónica",
    "Esteban",
    "Paulina",
    "Iván",
    "Adriana",
    "Joaquín",
    "Ximena",
];
const LAST: [&str; 24] = [
    "Arango",
    "Buitrago",
    "Cárdenas",
    "Duarte",
    "Echeverri",
    "Franco",
    "Gaviria",
    "Henao",
    "Ibáñez",
    "Jaramillo",
    "Lozano",
    "Mosquera",
    "Nieto",
    "Ospina",
    "Palacios",
    "Quiñones",
    "Restrepo",
    "Sandoval",
    "Trujillo",
    "Uribe",
    "Vélez",
    "Yepes",
    "Zuluaga",
    "Cuesta",
];

impl Person {
    /// The `n`th person; `with_phone`: has typed a number in.
    pub(in crate::commands) fn nth(n: usize, with_phone: bool) -> Self {
        let first = FIRST[n % FIRST.len()];
        // Both lists are walked at once, and their lengths have no common factor.
        let (one, two) = (LAST[n % LAST.len()], LAST[(n / LAST.len() + n * 7 + 5) % LAST.len()]);
        let last_name = format!("{one} {two}");
        let email = format!("{}.{}.{n}@correo.example", ascii(first), ascii(one));
        let digits = format!("31{:08}", 55_500_000 + n % 44_500_000);
        let (area, middle, end) = (&digits[..3], &digits[3..6], &digits[6..]);
        // As people write them.
        let typed = match n % 4 {
            0 => format!("+57{digits}"),
            1 => format!("{area} {middle} {end}"),
            2 => digits.clone(),
            _ => format!("57 {area} {middle} {end}"),
        };
        Self {
            first_name: first.to_owned(),
            last_name,
            email,
            phone: with_phone.then_some(typed),
            e164: with_phone.then(|| format!("+57{digits}")),
        }
    }

    pub(in crate::commands) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

fn ascii(name: &str) -> String {
    let plain = |c: char| match c {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' => 'u',
        'ñ' => 'n',
        c => c,
    };
    name.to_lowercase().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_people_share_an_address_or_a_number() {
        let people: Vec<Person> = (0..5_000).map(|n| Person::nth(n, true)).collect();
        let emails: BTreeSet<&str> = people.iter().map(|p| p.email.as_str()).collect();
        let phones: BTreeSet<&str> = people.iter().filter_map(|p| p.e164.as_deref()).collect();
        assert_eq!((emails.len(), phones.len()), (5_000, 5_000));
        assert!(people.iter().all(|p| p.email.is_ascii()));
    }
}
