//! Filters and orders: SCIM's attributes as the directory's field paths. Some attributes follow from others (`meta`,
//! `$ref`, `active`); what no field answers is 400 `invalidFilter`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use directory_proto::client::{MAX_FILTER_DEPTH, MAX_FILTER_NODES};
use directory_proto::v1;
use directory_proto::v1::comparison::{self, Operator};
use directory_proto::v1::filter::Expression;
use serde_json::Value;

use super::derived::{Around, Asked};
use super::link::BaseUrl;
use super::version::TAG;
use super::{ActiveView, field, snake_case, timestamp};
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::{CompareOp, Filter, Literal, evaluate_element, satisfies};
use crate::scim::schema::{ENTERPRISE_USER, Kind, ResourceKind, ResourceType, Schema};

/// Translates filters and orders on one kind of resource for one caller.
#[derive(Clone, Debug)]
pub struct Translator {
    /// The kind, and the schemas of the caller's tenant.
    pub resource_type: Arc<ResourceType>,
    /// What `active` means to the caller.
    pub view: ActiveView,
    /// What the URLs that the caller sees begin with.
    pub base: BaseUrl,
}

/// What answers a question about an attribute.
enum Answer {
    /// The field of this path.
    Field(String),
    /// The field of this path, around which the attribute holds this: an id in a URL, a version in an entity tag.
    Within(String, Around),
    /// A field that holds the opposite.
    Opposite(String),
    /// This text, for every resource or element.
    Constant(&'static str),
}

/// A field that every resource has, and one that every element of `groups` and `members` has.
const EVERY_RESOURCE: &str = "id";
const EVERY_ELEMENT: &str = "value";

impl Translator {
    /// The directory's filter for a SCIM filter.
    ///
    /// # Errors
    /// 400 `invalidFilter` if it asks what the directory does not keep, or more than the directory takes.
    pub fn filter(&self, filter: &Filter) -> Result<v1::Filter, ScimError> {
        let translated = self.translate(filter)?;
        check_size(&translated)?;
        Ok(translated)
    }

    fn translate(&self, filter: &Filter) -> Result<v1::Filter, ScimError> {
        Ok(match filter {
            Filter::And(filters) => wrap(Expression::And(self.list(filters)?)),
            Filter::Or(filters) => wrap(Expression::Or(self.list(filters)?)),
            Filter::Not(inner) => negated(self.translate(inner)?),
            Filter::Present(path) => self.present(path)?,
            Filter::Compare { path, op, value } => compare(path, self.answer(path)?, EVERY_RESOURCE, *op, value)?,
            Filter::Element { attribute, filter } => self.element(attribute, filter)?,
        })
    }

    fn list(&self, filters: &[Filter]) -> Result<v1::FilterList, ScimError> {
        let filters = filters
            .iter()
            .map(|filter| self.translate(filter))
            .collect::<Result<_, _>>()?;
        Ok(v1::FilterList { filters })
    }

    fn present(&self, path: &AttributePath) -> Result<v1::Filter, ScimError> {
        if is_registered(path) {
            return Ok(present_in_extension(path));
        }
        if path.attribute.multi_valued {
            return Ok(match path.attribute.name.as_str() {
                "schemas" => always(EVERY_RESOURCE),
                "blockReasons" => present("blocks"),
                name => present(&field(name)),
            });
        }
        if path.target().kind == Kind::Complex && path.attribute.name != "manager" && path.attribute.name != "meta" {
            let parts = path.attribute.sub_attributes.iter();
            let parts = parts.map(|part| self.present(&path.with(part)));
            return Ok(wrap(Expression::Or(v1::FilterList {
                filters: parts.collect::<Result<_, _>>()?,
            })));
        }
        Ok(match self.answer(path)? {
            Answer::Field(path) | Answer::Within(path, _) => present(&path),
            Answer::Opposite(_) | Answer::Constant(_) => always(EVERY_RESOURCE),
        })
    }

    fn element(&self, attribute: &AttributePath, filter: &Filter) -> Result<v1::Filter, ScimError> {
        if is_registered(attribute) {
            let inner = in_element(filter, &|path| Ok(Answer::Field(part_name(path).to_owned())))?;
            return Ok(element(attribute.to_string(), inner));
        }
        if attribute.attribute.name == "schemas" {
            return self.schemas(filter);
        }
        let (list, inner) = match attribute.attribute.name.as_str() {
            "blockReasons" => ("blocks".to_owned(), in_element(filter, &block_answer)?),
            "groups" => (
                "groups".to_owned(),
                in_element(filter, &|path| reference_answer(path, "direct", self.base.group("")))?,
            ),
            "members" => (
                "members".to_owned(),
                in_element(filter, &|path| reference_answer(path, "User", self.base.user("")))?,
            ),
            name => (
                field(name),
                in_element(filter, &|path| Ok(Answer::Field(snake_case(part_name(path)))))?,
            ),
        };
        Ok(element(list, inner))
    }

    /// `schemas` follows from what a resource has: a filter on it selects schemas, and they select resources.
    fn schemas(&self, filter: &Filter) -> Result<v1::Filter, ScimError> {
        let schemas = self.resource_type.schemas();
        let selected = schemas.filter(|schema| evaluate_element(filter, &Value::from(schema.id.as_str())));
        let filters = selected.map(|schema| self.has(schema)).collect::<Result<Vec<_>, _>>()?;
        if filters.is_empty() {
            return Ok(negated(always(EVERY_RESOURCE)));
        }
        Ok(wrap(Expression::Or(v1::FilterList { filters })))
    }

    /// The core schema and our own extension are never absent.
    fn has(&self, schema: &Arc<Schema>) -> Result<v1::Filter, ScimError> {
        if !schema.is_built_in() {
            return Ok(present(&schema.id));
        }
        if schema.id != ENTERPRISE_USER.id {
            return Ok(always(EVERY_RESOURCE));
        }
        let parts = schema.attributes.iter();
        let parts = parts.map(|attribute| self.present(&AttributePath::whole(schema, attribute)));
        Ok(wrap(Expression::Or(v1::FilterList {
            filters: parts.collect::<Result<_, _>>()?,
        })))
    }

    /// What answers a question about a single-valued attribute.
    fn answer(&self, path: &AttributePath) -> Result<Answer, ScimError> {
        if is_registered(path) {
            return Ok(Answer::Field(path.to_string()));
        }
        let part = path.part_name();
        if path.schema.id == ENTERPRISE_USER.id {
            return match (path.attribute.name.as_str(), part) {
                ("manager", None | Some("value")) => Ok(Answer::Field("enterprise.manager".to_owned())),
                ("manager", Some("$ref")) => {
                    let url = Around::url(self.base.user(""));
                    Ok(Answer::Within("enterprise.manager".to_owned(), url))
                }
                ("manager", Some(part)) => Ok(Answer::Field(format!("enterprise.manager.{}", snake_case(part)))),
                (name, _) => Ok(Answer::Field(format!("enterprise.{}", snake_case(name)))),
            };
        }
        Ok(match (path.attribute.name.as_str(), part) {
            ("active", _) => match self.view {
                ActiveView::SourceWord => Answer::Field(field("active")),
                ActiveView::InEffect => Answer::Opposite("blocked".to_owned()),
            },
            ("password", _) => return Err(not_kept(path)),
            ("activationStatus", _) => Answer::Field("activation.status".to_owned()),
            ("activationCodeExpires", _) => Answer::Field("activation.code_expire_time".to_owned()),
            ("activatedAt", _) => Answer::Field("activation.activate_time".to_owned()),
            ("meta", Some("resourceType")) => Answer::Constant(self.resource_type.kind.name()),
            ("meta", Some("created")) => Answer::Field("create_time".to_owned()),
            ("meta", Some("lastModified")) => Answer::Field("update_time".to_owned()),
            ("meta", Some("location")) => Answer::Within("id".to_owned(), Around::url(self.location_prefix())),
            ("meta", Some(_)) => Answer::Within("version".to_owned(), TAG),
            ("meta", None) => Answer::Constant(""),
            (name, Some(part)) => Answer::Field(format!("{}.{}", field(name), snake_case(part))),
            (name, None) => Answer::Field(field(name)),
        })
    }

    fn location_prefix(&self) -> String {
        match self.resource_type.kind {
            ResourceKind::User => self.base.user(""),
            ResourceKind::Group => self.base.group(""),
        }
    }

    /// The directory's order for `sortBy` and `sortOrder` (RFC 7644 §3.4.2.3).
    ///
    /// # Errors
    /// 400 `invalidValue` for an attribute that does not exist or gives no order, or an order that is none.
    pub fn order(&self, sort_by: Option<&str>, sort_order: Option<&str>) -> Result<Option<v1::Order>, ScimError> {
        let descending = match sort_order.map(str::to_ascii_lowercase).as_deref() {
            None | Some("ascending" | "") => false,
            Some("descending") => true,
            Some(_) => return Err(ScimError::invalid_value("sortOrder must be ascending or descending.")),
        };
        let Some(sort_by) = sort_by.filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let wrong = || ScimError::invalid_value("sortBy must name an attribute that resources can be sorted by.");
        let path = AttributePath::resolve(&self.resource_type, sort_by).map_err(|_| wrong())?;
        if path.is_hidden() {
            return Err(wrong());
        }
        if is_registered(&path) {
            let attribute = path.to_string();
            return sorts(&path)
                .then_some(Some(v1::Order { attribute, descending }))
                .ok_or_else(wrong);
        }
        let part = path.part_name();
        if path.attribute.multi_valued {
            let list = field(&path.attribute.name);
            let is_of_ids = matches!(path.attribute.name.as_str(), "groups" | "members");
            let attribute = match part {
                None | Some("value") if path.attribute.kind == Kind::Complex => list,
                Some(part) if !is_of_ids && path.target().kind == Kind::String => format!("{list}.{}", field(part)),
                None | Some(_) => return Err(wrong()),
            };
            return Ok(Some(v1::Order { attribute, descending }));
        }
        if path.target().kind == Kind::Complex && path.attribute.name != "manager" {
            return Err(wrong());
        }
        match self.answer(&path).map_err(|_| wrong())? {
            Answer::Field(attribute) | Answer::Within(attribute, _) => Ok(Some(v1::Order { attribute, descending })),
            Answer::Opposite(attribute) => Ok(Some(v1::Order {
                attribute,
                descending: !descending,
            })),
            Answer::Constant(_) => Ok(None),
        }
    }
}

/// Whether the attribute belongs to a schema that the tenant registered: the directory names it as SCIM does.
fn is_registered(path: &AttributePath) -> bool {
    !path.schema.is_built_in()
}

/// A complex attribute is there if one of its parts is, of those that may be asked about.
fn present_in_extension(path: &AttributePath) -> v1::Filter {
    let parts = &path.attribute.sub_attributes;
    let has_hidden = parts.iter().any(|part| part.is_hidden());
    if path.sub_attribute.is_some() || path.attribute.multi_valued || !has_hidden {
        return present(&path.to_string());
    }
    let visible = parts.iter().filter(|part| !part.is_hidden());
    let filters: Vec<_> = visible.map(|part| present(&path.with(part).to_string())).collect();
    if filters.is_empty() {
        return negated(always(EVERY_RESOURCE));
    }
    wrap(Expression::Or(v1::FilterList { filters }))
}

/// Whether the values of an attribute of a tenant's schema give an order: of a complex one, those of a part.
fn sorts(path: &AttributePath) -> bool {
    path.target().kind != Kind::Complex
        || (path.attribute.multi_valued && path.find_part("value").is_some_and(|value| !value.is_hidden()))
}

/// Translates a question about one element; `answer` knows the sub-attributes of the list.
fn in_element(
    filter: &Filter,
    answer: &dyn Fn(&AttributePath) -> Result<Answer, ScimError>,
) -> Result<v1::Filter, ScimError> {
    let list = |filters: &[Filter]| {
        let filters = filters
            .iter()
            .map(|filter| in_element(filter, answer))
            .collect::<Result<_, _>>()?;
        Ok::<_, ScimError>(v1::FilterList { filters })
    };
    Ok(match filter {
        Filter::And(filters) => wrap(Expression::And(list(filters)?)),
        Filter::Or(filters) => wrap(Expression::Or(list(filters)?)),
        Filter::Not(inner) => negated(in_element(inner, answer)?),
        Filter::Present(path) => match answer(path)? {
            Answer::Field(path) | Answer::Within(path, _) => present(&path),
            Answer::Opposite(_) | Answer::Constant(_) => always(EVERY_ELEMENT),
        },
        Filter::Compare { path, op, value } => compare(path, answer(path)?, EVERY_ELEMENT, *op, value)?,
        Filter::Element { attribute, .. } => return Err(not_kept(attribute)),
    })
}

/// One question of SCIM can be several to the directory (`name pr` asks for each part), so it is the translation that is
/// measured.
fn check_size(filter: &v1::Filter) -> Result<(), ScimError> {
    let (nodes, depth) = size(filter);
    if nodes > MAX_FILTER_NODES {
        return Err(ScimError::invalid_filter(format!(
            "The filter has more than {MAX_FILTER_NODES} parts, counting each comparison, each not, each list of and or or, and \
             each pair of square brackets; ask in parts."
        )));
    }
    if depth > MAX_FILTER_DEPTH {
        return Err(ScimError::invalid_filter(format!(
            "The filter is nested more than {MAX_FILTER_DEPTH} levels deep; simplify it."
        )));
    }
    Ok(())
}

/// How many nodes a filter has, and how many levels.
fn size(filter: &v1::Filter) -> (usize, usize) {
    let inner: &[v1::Filter] = match &filter.expression {
        Some(Expression::And(list) | Expression::Or(list)) => &list.filters,
        Some(Expression::Not(inner)) => std::slice::from_ref(inner.as_ref()),
        Some(Expression::Element(element)) => element.filter.as_deref().map(std::slice::from_ref).unwrap_or_default(),
        Some(Expression::Present(_) | Expression::Comparison(_)) | None => &[],
    };
    let inner = inner.iter().map(size);
    let (nodes, depth) = inner.fold((0, 0), |(nodes, depth), (more, deep)| (nodes + more, depth.max(deep)));
    (nodes + 1, depth + 1)
}

fn part_name(path: &AttributePath) -> &str {
    path.part_name().unwrap_or("value")
}

fn reference_answer(path: &AttributePath, kind: &'static str, prefix: String) -> Result<Answer, ScimError> {
    match part_name(path) {
        "$ref" => Ok(Answer::Within("value".to_owned(), Around::url(prefix))),
        "type" => Ok(Answer::Constant(kind)),
        part => Ok(Answer::Field(snake_case(part))),
    }
}

fn block_answer(_: &AttributePath) -> Result<Answer, ScimError> {
    Ok(Answer::Field("reason".to_owned()))
}

fn compare(
    path: &AttributePath,
    answer: Answer,
    everything: &str,
    op: CompareOp,
    value: &Literal,
) -> Result<v1::Filter, ScimError> {
    let constant = |holds: bool| {
        if holds {
            always(everything)
        } else {
            negated(always(everything))
        }
    };
    match (answer, value) {
        (Answer::Field(field), value) => Ok(comparison(field, op, literal(value))),
        (Answer::Within(field, around), Literal::Text(wanted)) => Ok(match (around.ask(op, wanted), op) {
            (Asked::Kept(op, text), _) => comparison(field, op, comparison::Literal::Text(text.to_owned())),
            (Asked::Every, CompareOp::NotEqual) => constant(true), // also where there is none
            (Asked::Every, _) => present(&field),
            (Asked::None, _) => constant(false),
        }),
        (Answer::Opposite(field), Literal::Boolean(flag)) => {
            Ok(comparison(field, op, comparison::Literal::Boolean(!flag)))
        }
        (Answer::Constant(text), value) => Ok(constant(satisfies(path.target(), op, &Value::from(text), value))),
        (Answer::Within(..) | Answer::Opposite(_), _) => Err(not_kept(path)),
    }
}

fn literal(value: &Literal) -> comparison::Literal {
    match value {
        Literal::Text(text) => comparison::Literal::Text(text.clone()),
        Literal::Boolean(flag) => comparison::Literal::Boolean(*flag),
        Literal::Integer(number) => comparison::Literal::Integer(*number),
        Literal::Time(time) => comparison::Literal::Time(timestamp(*time)),
        Literal::Decimal(number) => comparison::Literal::Decimal(*number),
    }
}

fn comparison(attribute: String, op: CompareOp, literal: comparison::Literal) -> v1::Filter {
    let operator = match op {
        CompareOp::Equal => Operator::Equal,
        CompareOp::NotEqual => Operator::NotEqual,
        CompareOp::Contains => Operator::Contains,
        CompareOp::StartsWith => Operator::StartsWith,
        CompareOp::EndsWith => Operator::EndsWith,
        CompareOp::Greater => Operator::Greater,
        CompareOp::GreaterOrEqual => Operator::GreaterOrEqual,
        CompareOp::Less => Operator::Less,
        CompareOp::LessOrEqual => Operator::LessOrEqual,
    };
    wrap(Expression::Comparison(v1::Comparison {
        attribute,
        operator: operator.into(),
        literal: Some(literal),
    }))
}

fn present(attribute: &str) -> v1::Filter {
    wrap(Expression::Present(v1::Presence {
        attribute: attribute.to_owned(),
    }))
}

fn always(everything: &str) -> v1::Filter {
    present(everything)
}

fn element(attribute: String, filter: v1::Filter) -> v1::Filter {
    wrap(Expression::Element(Box::new(v1::ElementMatch {
        attribute,
        filter: Some(Box::new(filter)),
    })))
}

fn negated(filter: v1::Filter) -> v1::Filter {
    wrap(Expression::Not(Box::new(filter)))
}

fn wrap(expression: Expression) -> v1::Filter {
    v1::Filter {
        expression: Some(expression),
    }
}

fn not_kept(path: &AttributePath) -> ScimError {
    ScimError::invalid_filter(format!("{path} cannot be filtered by."))
}
