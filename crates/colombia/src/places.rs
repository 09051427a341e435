//! Departments and municipalities by their DANE code (DIVIPOLA). Codes are text: the leading zero counts.

use crate::text::fold;
use std::sync::LazyLock;

/// A department: two digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Department {
    /// `05`.
    pub code: &'static str,
    /// `Antioquia`.
    pub name: &'static str,
}

/// A municipality: five digits, of which the first two are its department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Municipality {
    /// `05001`.
    pub code: &'static str,
    /// `Medellín`.
    pub name: &'static str,
    /// Always shown beside the name: Armenia is two places.
    pub department: Department,
}

struct Index {
    departments: Vec<Department>,
    /// With all folded names, the official first.
    municipalities: Vec<(Municipality, Vec<String>)>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { departments: Vec::new(), municipalities: Vec::new() };
    for line in include_str!("../data/places.csv").lines().filter(|l| !l.starts_with('#')) {
        let mut fields = line.split(';');
        let (Some(code), Some(name)) = (fields.next(), fields.next()) else { continue };
        if code.len() == 2 {
            index.departments.push(Department { code, name });
        } else if let Some(department) = code.get(..2).and_then(|d| by_code(&index.departments, d)) {
            let others = fields.next().unwrap_or("").split('|').filter(|n| !n.is_empty());
            let names = std::iter::once(name).chain(others).map(fold).collect();
            index.municipalities.push((Municipality { code, name, department }, names));
        }
    }
    index
});

fn by_code(departments: &[Department], code: &str) -> Option<Department> {
    departments.iter().find(|d| d.code == code).copied()
}

/// All 33, in the order of their codes.
#[must_use]
pub fn departments() -> &'static [Department] {
    &INDEX.departments
}

/// The department with a code of two digits.
#[must_use]
pub fn department(code: &str) -> Option<Department> {
    by_code(&INDEX.departments, code)
}

/// The municipality with a code of five digits, among those that are listed: capitals and the larger cities.
#[must_use]
pub fn municipality(code: &str) -> Option<Municipality> {
    INDEX.municipalities.iter().map(|(m, _)| *m).find(|m| m.code == code)
}

/// Municipalities whose name begins with what was typed, or is it; whole names first. Without accents, and with the
/// names that people use: `Bogota D.C.`, `Santa Fe de Bogotá`.
///
/// ```
/// use pasarela_colombia::places::search;
/// assert_eq!(search("bogota d.c.")[0].code, "11001");
/// let armenias: Vec<_> = search("Armenia").iter().map(|m| m.department.name).collect();
/// assert_eq!(armenias, ["Antioquia", "Quindío"]);
/// ```
#[must_use]
pub fn search(typed: &str) -> Vec<Municipality> {
    let asked = fold(typed);
    if asked.is_empty() {
        return Vec::new();
    }
    let hits = |test: &dyn Fn(&str) -> bool| -> Vec<Municipality> {
        let all = INDEX.municipalities.iter();
        all.filter(|(_, names)| names.iter().any(|n| test(n))).map(|(m, _)| *m).collect()
    };
    let mut found = hits(&|name| name == asked);
    found.extend(hits(&|name| name != asked && name.starts_with(&asked)).into_iter().filter(|m| {
        // Whoever was found by a whole name is not found again by another.
        !INDEX.municipalities.iter().any(|(n, names)| n.code == m.code && names.contains(&asked))
    }));
    found
}
