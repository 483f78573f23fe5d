extension PageFrame {
  /// Colours for light and dark, and a layout for narrow and wide windows.
  static let style = """
    :root{--bg:#fff;--fg:#1f2328;--muted:#59636e;--rule:#d1d9e0;--card:#f6f8fa;--gain:#116329;--loss:#b42318;
    --c0:#8c959f;--c1:#0969da;--c2:#bc4c00;--c3:#1a7f37;--c4:#8250df;--c5:#bf3989;--right:#1a7f37;--wrong:#bc4c00;
    --empty:#eef1f4;--on:#fff}
    @media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--muted:#9198a1;--rule:#3d444d;--card:#161b22;
    --gain:#56d364;--loss:#ff7b72;--c0:#6e7681;--c1:#4493f8;--c2:#f0883e;--c3:#3fb950;--c4:#ab7df8;--c5:#f778ba;
    --right:#3fb950;--wrong:#f0883e;--empty:#1c2129;--on:#0d1117}}
    *{box-sizing:border-box}
    body{margin:0 auto;padding:16px;max-width:1240px;background:var(--bg);color:var(--fg);
    font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
    h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0;overflow-wrap:anywhere}
    h2{font-size:1.15rem;margin:0 0 .6rem}h3{font-size:.95rem;margin:.4rem 0;overflow-wrap:anywhere}
    section{border:1px solid var(--rule);border-radius:8px;padding:14px 16px;margin:14px 0;min-width:0}
    .note{color:var(--muted);font-size:.86rem;font-weight:400}p.note{margin:.2rem 0 .6rem}
    .badge{display:inline-block;font-size:.8rem;font-weight:600;border:1px solid var(--loss);color:var(--loss);
    border-radius:99px;padding:0 .6rem;vertical-align:middle}
    ul.figures{display:flex;flex-wrap:wrap;gap:10px;list-style:none;padding:0;margin:.6rem 0}
    ul.figures li{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px 14px}
    .what{display:block;color:var(--muted);font-size:.86rem}.figure{font-size:1.3rem;font-weight:600;white-space:nowrap}
    .gain{color:var(--gain)}.loss{color:var(--loss)}
    ul.runs{list-style:none;padding:0;margin:.4rem 0}ul.runs li{margin:.4rem 0;overflow-wrap:anywhere}
    .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:8px 28px}
    .columns.wide{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}.columns>*{min-width:0}
    .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px 24px}
    figure{margin:0;min-width:0}figcaption{font-weight:600;font-size:.95rem}
    svg{display:block;width:100%;height:auto;max-width:560px}svg text{fill:var(--muted);font-size:12px}
    svg .grid{stroke:var(--rule);stroke-width:1}svg text.halo{paint-order:stroke;stroke:var(--bg);stroke-width:4px}
    .line{fill:none;stroke-width:2;stroke-linejoin:round}.line.faint{stroke-width:1;opacity:.35}
    .line.dashed{stroke-dasharray:6 4}
    .line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}
    .line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}
    .mark{stroke:var(--bg);stroke-width:1.5}
    .mark.c0{fill:var(--c0)}.mark.c1{fill:var(--c1)}.mark.c2{fill:var(--c2)}.mark.c3{fill:var(--c3)}
    .mark.c4{fill:var(--c4)}.mark.c5{fill:var(--c5)}
    ul.legend{display:flex;flex-wrap:wrap;gap:2px 14px;list-style:none;padding:0;margin:.2rem 0;font-size:.86rem;
    overflow-wrap:anywhere}
    .key{display:inline-block;width:18px;height:0;border-top:3px solid;vertical-align:middle;margin-right:6px}
    .key.dashed{border-top-style:dashed}
    .key.c0{color:var(--c0)}.key.c1{color:var(--c1)}.key.c2{color:var(--c2)}.key.c3{color:var(--c3)}
    .key.c4{color:var(--c4)}.key.c5{color:var(--c5)}
    .bars{max-width:620px}
    .bars ul{list-style:none;padding:0;margin:0 0 .6rem}
    .bar{display:grid;grid-template-columns:minmax(0,8.5rem) 1fr 5.2rem;gap:8px;align-items:center;margin:3px 0;
    font-size:.9rem}
    .bar-name{overflow-wrap:anywhere;line-height:1.25}
    .bar-track{position:relative;height:16px;background:var(--empty);border-radius:3px}
    .bar-fill{position:absolute;inset:0 auto 0 0;border-radius:3px;min-width:1px}
    .bar-mark{position:absolute;top:-3px;bottom:-3px;width:2px;background:var(--fg)}
    .bar-fill.c0{background:var(--c0)}.bar-fill.c1{background:var(--c1)}.bar-fill.c2{background:var(--c2)}
    .bar-fill.c3{background:var(--c3)}.bar-fill.c4{background:var(--c4)}.bar-fill.c5{background:var(--c5)}
    .bar-value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
    .scroll{overflow-x:auto;max-width:100%}
    table{border-collapse:collapse;font-size:.88rem;margin:.3rem 0}
    th,td{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid var(--rule);vertical-align:top}
    th{color:var(--muted);font-weight:600;vertical-align:bottom}
    .number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
    td.value{font-family:ui-monospace,"Liberation Mono",monospace;font-size:.82rem;overflow-wrap:anywhere;min-width:6rem}
    td.key-name{white-space:nowrap}td.name{overflow-wrap:anywhere;min-width:8.5rem}
    th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
    th button::after{content:" \\2195";color:var(--rule)}
    th[aria-sort=ascending] button::after{content:" \\2191";color:inherit}
    th[aria-sort=descending] button::after{content:" \\2193";color:inherit}
    details{margin:.5rem 0}summary{cursor:pointer;color:var(--c1)}
    svg.heat{width:auto;max-width:none}svg.heat.fits{max-width:100%}
    .heat .empty{fill:var(--empty)}.heat .right{fill:var(--right)}.heat .wrong{fill:var(--wrong)}
    .heat text{font-size:inherit}.heat text.on{fill:var(--on)}.heat text.off{fill:var(--fg)}
    ol.list{margin:.4rem 0;padding-left:1.4rem;font-size:.9rem;overflow-wrap:anywhere}
    .mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:12px}
    .mistake{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px;font-size:.86rem}
    .mistake figcaption{font-weight:400;font-size:.84rem;line-height:1.35;margin-top:6px;overflow-wrap:anywhere}
    .mistake img{display:block;width:100%;height:96px;object-fit:contain;image-rendering:auto}
    .missing{display:block;height:96px;line-height:96px;text-align:center;color:var(--muted)}
    footer{color:var(--muted);font-size:.82rem;margin:1rem 0}
    @media (max-width:480px){td.key-name{white-space:normal;overflow-wrap:break-word;min-width:6.2rem}
    td.value{min-width:5.4rem}th,td{padding-right:8px}body{padding:10px}section{padding:12px}.bar{grid-template-columns:minmax(0,6.5rem) 1fr 4.8rem}}
    @media print{details{display:none}section{break-inside:avoid}}
    """

  /// Sorts a table by the column whose title is pressed; without scripts the page lacks nothing else.
  ///
  /// Neither `<` nor `&`: XML would read them as markup.
  static let script = """
    document.querySelectorAll('table.sortable').forEach(table => {
      const heads = Array.from(table.querySelectorAll('th'));
      heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
        const down = head.getAttribute('aria-sort') === 'descending' ? 1 : -1;
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', down === 1 ? 'ascending' : 'descending');
        const body = table.tBodies[0];
        const value = row => row.cells[column].dataset.value;
        const text = row => row.cells[column].textContent;
        const compare = (a, b) => value(a) === undefined || value(b) === undefined
          ? text(a).localeCompare(text(b)) : Number(value(a)) - Number(value(b));
        Array.from(body.rows).sort((a, b) => down * compare(a, b)).forEach(row => body.appendChild(row));
      }));
    });
    """
}
