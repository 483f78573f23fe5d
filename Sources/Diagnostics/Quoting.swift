/// A name from a file in quotes, with control characters escaped and cut to a readable length.
package func quoted(_ name: String) -> String {
  let longest = 80
  return (name.count > longest ? name.prefix(longest) + "…" : name[...]).debugDescription
}
