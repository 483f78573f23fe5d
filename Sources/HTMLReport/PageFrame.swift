/// What all pages have around their sections: a file that needs nothing else, neither network nor scripts of others.
struct PageFrame {
  var title: String
  /// What stands above the sections.
  var header: Markup
  var sections: [Markup]
  /// Of the program that made what is described; nil where it is not known.
  var version: String?

  /// The page: HTML that is well-formed XML, too.
  var text: String {
    let page: Markup = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta name="color-scheme" content="light dark"/>
      <title>\(title)</title>
      <style>\(Markup(trusted: Self.style))</style>
      </head>
      <body>
      \(header)<main>
      \(sections)</main>
      <footer>Made by skiptune\(version.map { " \($0)" } ?? "").</footer>
      <script>\(Markup(trusted: Self.script))</script>
      </body>
      </html>

      """
    return page.text
  }
}

extension Markup {
  /// A part of a page; nothing where it has no content.
  static func section(_ title: String, _ content: [Markup]) -> Markup {
    content.allSatisfy(\.text.isEmpty) ? .empty : "<section><h2>\(title)</h2>\n\(content)</section>\n"
  }
}
