import Reporting
import Testing

@Suite struct TextTableTests {
  static var table: TextTable {
    var table = TextTable(columns: ["dataset", "acc", "size", "note"])
    table.append(["caltech101", "97.30", "1.5 GB", "a|b"])
    table.append(["日本", "8.05", nil, "say \"hi\", twice"])
    table.append(["", nil, "12 kB", "two\nlines"])
    return table
  }

  @Test func terminalColumnsAreAligned() {
    #expect(
      Self.table.terminal == """
        dataset       acc    size  note
        ----------  -----  ------  ---------------
        caltech101  97.30  1.5 GB  a|b
        日本         8.05          say "hi", twice
                            12 kB  two lines

        """)
  }

  @Test func markdownEscapesBars() {
    #expect(
      Self.table.markdown == """
        | dataset    |   acc |   size | note            |
        | ---------- | ----: | -----: | --------------- |
        | caltech101 | 97.30 | 1.5 GB | a\\|b            |
        | 日本       |  8.05 |        | say "hi", twice |
        |            |       |  12 kB | two lines       |

        """)
  }

  @Test func csvQuotesWhatNeedsIt() {
    #expect(
      Self.table.csv == """
        dataset,acc,size,note
        caltech101,97.30,1.5 GB,a|b
        日本,8.05,,"say ""hi"", twice"
        ,,12 kB,"two
        lines"

        """)
    var windows = TextTable(columns: ["a"])
    windows.append(["x\r\ny"])
    #expect(windows.csv == "a\n\"x\r\ny\"\n")
  }

  @Test func aTableWithoutRowsHasItsTitles() {
    let table = TextTable(columns: ["a", "bcde"])
    #expect(table.terminal == "a  bcde\n-  ----\n")
    #expect(table.markdown == "| a   | bcde |\n| --- | ---- |\n")
    #expect(table.csv == "a,bcde\n")
  }

  @Test func wordsAlignLeftAndNumbersRight() {
    var table = TextTable(columns: ["k", "number", "word"])
    table.append(["x", "-1,024", "ViT-B/16"])
    table.append(["y", "nan", "16"])
    #expect(table.terminal == "k  number  word\n-  ------  --------\nx  -1,024  ViT-B/16\ny     nan  16\n")
  }
}
