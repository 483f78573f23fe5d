import Reporting

/// Horizontal bars with their values beside them.
struct Bars {
  struct Bar {
    var name: String
    var value: Double
    var words: String
    var color: Int
    /// Where the value was before; a line across the bar.
    var mark: Double?
  }

  var title: String
  var bars: [Bar]
  /// What a full bar stands for; the largest value where there is none.
  var full: Double?

  /// The bars under their heading; nothing where there are none.
  var markup: Markup {
    guard !bars.isEmpty else { return .empty }
    let full = max(full ?? bars.map(\.value).max()!, .leastNormalMagnitude)
    let rows = bars.map { bar -> Markup in
      let mark = bar.mark.map { mark -> Markup in
        "<span class=\"bar-mark\" style=\"left:\(100 * mark / full)%\" title=\"before: \(Readable.fixed(mark, 2))\"></span>"
      }
      return """
        <li class="bar"><span class="bar-name" title="\(bar.name)">\(bar.name)</span><span class="bar-track">\
        <span class="bar-fill c\(bar.color)" style="width:\(100 * bar.value / full)%"></span>\(mark ?? .empty)</span>\
        <span class="bar-value">\(bar.words)</span></li>

        """
    }
    return "<div class=\"bars\"><h3>\(title)</h3><ul>\n\(rows)</ul></div>\n"
  }
}
