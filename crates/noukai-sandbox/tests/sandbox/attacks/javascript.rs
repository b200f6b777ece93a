//! Attacks in JavaScript.

use noukai_engine::CodeErrorKind::{Error, Memory, OutputInvalid, Timeout};
use noukai_flow::Language;

use super::{LONG, SHORT, attack, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ways_out_lead_nowhere() {
    let attacks = vec![
        attack("require", "return {a: require('fs')}", &[Error]),
        attack("process", "return {a: process.env}", &[Error]),
        attack("import", "import fs from 'fs'\nreturn {}", &[Error]),
        attack("import of std", "import * as std from 'std'\nreturn {}", &[Error]),
        attack("import within", "return {a: import('std')}", &[Error, OutputInvalid]),
        attack("import.meta", "return {a: import.meta.url.x.y}", &[Error]),
        attack("std", "return {a: std.open('/etc/passwd', 'r')}", &[Error]),
        attack("os", "return {a: os.exec(['ls'])}", &[Error]),
        attack("load script", "return {a: loadScript('x')}", &[Error]),
        attack("fetch", "return {a: fetch('http://127.0.0.1')}", &[Error]),
        attack("timer", "setTimeout(() => 1, 1)\nreturn {}", &[Error]),
        attack("eval", "return {a: eval('1')}", &[Error]),
        attack("indirect eval", "return {a: (0, eval)('1')}", &[Error]),
        attack("eval by the globals", "return {a: globalThis['ev' + 'al']('1')}", &[Error]),
        attack("Function", "return {a: Function('return 1')()}", &[Error]),
        attack("new Function", "return {a: new Function('return 1')()}", &[Error]),
        attack("constructor", "return {a: (() => {}).constructor('return this')()}", &[Error]),
        attack("constructor chain", "return {a: [].constructor.constructor('return globalThis')()}", &[Error]),
        attack(
            "constructor of async",
            "return {a: (async () => {}).constructor('return 1')()}",
            &[Error, OutputInvalid],
        ),
        attack("constructor of generators", "return {a: (function* () {}).constructor('yield 1')().next()}", &[Error]),
        attack(
            "constructor of async generators",
            "return {a: (async function* () {}).constructor('yield 1')()}",
            &[Error, OutputInvalid],
        ),
        attack(
            "constructor of an error",
            "try { null.x } catch (e) { return {a: e.constructor.constructor('return this')()} }",
            &[Error],
        ),
        attack("this", "return {a: this.constructor.constructor('return process')()}", &[Error]),
        attack("caller", "return {a: (function f() { return f.caller })()}", &[Error]),
        attack("arguments callee", "return {a: arguments.callee}", &[Error]),
        attack("Proxy", "return {a: new Proxy({}, {})}", &[Error]),
        attack("WeakRef", "return {a: new WeakRef({})}", &[Error]),
        attack("performance", "return {a: performance.now()}", &[Error]),
        attack("Worker", "return {a: new Worker('x')}", &[Error]),
        attack("Atomics.wait", "return {a: Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)}", &[Error]),
        attack("with", "with ({a: 1}) { return {a} }", &[Error]),
        attack("undeclared", "a = 1\nreturn {a}", &[Error]),
        attack("await", "await 1\nreturn {}", &[Error]),
        attack("yield", "yield 1", &[Error]),
        attack("end of the function", "return {}\n}\nexport function other() {", &[Error]),
        attack("end of the block", "}}\nexport function evil() {{", &[Error]),
        attack("end in a comment", "return {} /*", &[Error]),
        attack("end in a template", "return {a: `", &[Error]),
        attack("end in a regex", "return {a: /", &[Error]),
        attack("export", "export const x = 1\nreturn {}", &[Error]),
        attack("html comment", "<!-- x\nreturn {}", &[Error]),
        attack("null byte", "return {a: 1}\0", &[Error]),
        attack("super", "return {a: super.x}", &[Error]),
        attack("new.target of nothing", "return {a: new.target.x}", &[Error]),
        attack("debugger of the host", "return {a: print('x')}", &[Error]),
        attack("script arguments", "return {a: scriptArgs[0]}", &[Error]),
    ];
    run(Language::JavaScript, LONG, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_is_up_in_time() {
    let attacks = vec![
        attack("loop", "while (true) {}", &[Timeout]),
        attack("for", "for (;;);", &[Timeout]),
        attack("loop that catches", "while (true) { try { while (true) {} } catch {} }", &[Timeout]),
        attack("loop at last", "try { while (true) {} } finally { while (true) {} }", &[Timeout]),
        attack("regex", "return {a: /(a+)+$/.test('a'.repeat(50) + 'b')}", &[Timeout]),
        attack("regex alternatives", "return {a: /^(a|aa)+$/.test('a'.repeat(200) + 'b')}", &[Timeout]),
        attack("regex look behind", "return {a: /(?<=(a+)+)b$/.test('a'.repeat(60) + 'c')}", &[]),
        attack("regex replace", "return {a: 'a'.repeat(60).replace(/(.*)*\\1x/, '')}", &[Timeout, Error]),
        attack("sort", "return {a: [3, 2, 1].sort(() => { for (;;); })}", &[Timeout]),
        attack("getter", "return {get a() { for (;;); }}", &[Timeout]),
        attack(
            "getter of a list",
            "const a = [1]\nObject.defineProperty(a, 0, {get() { for (;;); }, enumerable: true})\nreturn {a}",
            &[Timeout],
        ),
        attack("toString", "return {a: `${{toString() { for (;;); }}}`}", &[Timeout]),
        attack("thrown toString", "throw {toString() { for (;;); }}", &[Timeout]),
        attack(
            "thrown message",
            "const e = new Error('x')\nObject.defineProperty(e, 'message', {get() { for (;;); }})\nthrow e",
            &[Timeout],
        ),
        attack(
            "thrown stack",
            "const e = new Error('x')\nObject.defineProperty(e, 'stack', {get() { for (;;); }})\nthrow e",
            &[Timeout],
        ),
        attack(
            "thrown name",
            "const e = new Error('x')\nObject.defineProperty(e, 'name', {get() { for (;;); }})\nthrow e",
            &[Timeout],
        ),
        attack("prepareStackTrace", "Error.prepareStackTrace = () => { for (;;); }\nnull.x", &[Timeout]),
        attack("console", "console.log({toJSON() { for (;;); }})\nreturn {}", &[Timeout]),
        attack("print", "for (;;) console.log('x'.repeat(1000))", &[Timeout]),
        attack("iterator", "return {a: [...{*[Symbol.iterator]() { for (;;) ; }}]}", &[Timeout]),
        attack(
            "long array",
            "let s = 0\nconst a = []\na.length = 4294967295\nfor (let i = 0; i < 1e12; i++) s += i\nreturn {s}",
            &[Timeout],
        ),
        attack(
            "indexOf",
            "const a = []\na.length = 4294967295\nreturn {a: a.indexOf(1), b: a.lastIndexOf(2), c: a.includes(3), d: a.findLast(x => x)}",
            &[Timeout],
        ),
        attack(
            "array-like",
            "return {a: Array.prototype.map.call({length: 2 ** 52}, x => x)}",
            &[Timeout, Error, Memory],
        ),
        attack(
            "array-like reverse",
            "return {a: Array.prototype.reverse.call({length: 2 ** 53 - 1})}",
            &[Timeout, Error, Memory],
        ),
        attack("big power", "return {a: String(3n ** 10000000n).length}", &[Timeout, Memory, Error]),
        attack("big factorial", "let n = 1n\nfor (let i = 1n; ; i++) n *= i", &[Timeout, Memory, Error]),
        attack(
            "big to text",
            "let n = 1n << 1000000n\nreturn {a: n.toString().length + n.toString(7).length + n.toString(9).length + (n + 1n).toString(11).length + (n * n).toString().length}",
            &[Timeout, Memory, Error],
        ),
        attack("json loop", "const a = {toJSON() { for (;;); }}\nreturn {a: JSON.stringify(a)}", &[Timeout]),
        attack("reviver", "return {a: JSON.parse('[1]', () => { for (;;); })}", &[Timeout]),
        attack("labels", "a: for (;;) { continue a }", &[Timeout]),
        attack("generator", "const g = (function* () { for (;;) yield 1 })()\nfor (const x of g);", &[Timeout]),
    ];
    run(Language::JavaScript, SHORT, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_has_an_end() {
    let attacks = vec![
        attack("text", "return {a: 'x'.repeat(2 ** 30).length}", &[Memory, Error]),
        attack("text of 500 MB", "return {a: 'x'.repeat(5e8).length}", &[Memory, Error]),
        attack("list", "return {a: new Array(1e9).fill(0).length}", &[Memory]),
        attack("buffer", "return {a: new ArrayBuffer(1e10).byteLength}", &[Memory, Error]),
        attack("buffer of 1 GB", "return {a: new Uint8Array(1e9).length}", &[Memory, Error]),
        attack(
            "growing buffer",
            "const b = new ArrayBuffer(1, {maxByteLength: 1e9})\nb.resize(1e9)\nreturn {a: new Uint8Array(b).fill(1).length}",
            &[Memory, Error],
        ),
        attack("doubling text", "let s = 'a'\nfor (;;) s += s", &[Memory, Error]),
        attack(
            "doubling text that is used",
            "let s = 'a'\nfor (;;) { s += s; s.charCodeAt(s.length - 1) }",
            &[Memory, Error],
        ),
        attack("doubling list", "let s = [1]\nfor (;;) s = s.concat(s)", &[Memory, Timeout]),
        attack("small allocations", "const s = []\nfor (;;) s.push({})", &[Memory, Timeout]),
        attack("small lists", "const s = []\nfor (;;) s.push([s.length])", &[Memory, Timeout]),
        attack(
            "caught",
            "const s = []\nfor (;;) { try { for (;;) s.push('a'.repeat(100000) + s.length) } catch {} }",
            &[Memory, Timeout],
        ),
        attack("keys", "const s = {}\nfor (let i = 0; ; i++) s['k' + i] = i", &[Memory, Timeout]),
        attack("map", "const s = new Map()\nfor (let i = 0; ; i++) s.set(i, [i])", &[Memory, Timeout]),
        attack("symbols", "const s = []\nfor (;;) s.push(Symbol('a' + s.length))", &[Memory, Timeout]),
        attack("atoms", "for (let i = 0; ; i++) Symbol.for('a'.repeat(1000) + i)", &[Memory, Timeout]),
        attack("closures", "let f = () => 0\nfor (;;) { const g = f; f = () => g }", &[Memory, Timeout]),
        attack("pad", "return {a: 'x'.padEnd(2 ** 29).length}", &[Memory, Error]),
        attack("join", "return {a: new Array(1e6).join('x'.repeat(1e4)).length}", &[Memory, Error, Timeout]),
        attack(
            "replace",
            "return {a: 'a'.repeat(1e6).replaceAll('a', 'b'.repeat(1e4)).length}",
            &[Memory, Error, Timeout],
        ),
        attack(
            "replace with itself",
            "let s = 'aaaaaaaaaa'\nfor (;;) s = s.replace(/a/g, '$`$&$\\'')",
            &[Memory, Error, Timeout],
        ),
        attack("split", "return {a: 'a,'.repeat(1e7).split(',').length}", &[Memory, Timeout]),
        attack("regex size", "return {a: new RegExp('(?:(?:(?:a{1000}){1000}){1000}){1000}').test('a')}", &[]),
        attack("regex captures", "return {a: new RegExp('(a)'.repeat(300)).test('a')}", &[Memory, Error]),
        attack("big", "return {a: String(1n << (2n ** 40n)).length}", &[Memory, Error]),
        attack("big power", "return {a: String(2n ** (10n ** 9n)).length}", &[Memory, Error]),
        attack("doubling big", "let n = 3n\nfor (;;) n = n * n", &[Memory, Error, Timeout]),
        attack(
            "json",
            "let s = [1]\nfor (let i = 0; i < 40; i++) s = [s, s]\nreturn {a: JSON.stringify(s).length}",
            &[Memory, Timeout],
        ),
        attack(
            "laughing output",
            "let s = [1]\nfor (let i = 0; i < 40; i++) s = [s, s]\nreturn {s}",
            &[OutputInvalid, Timeout],
        ),
        attack(
            "spread",
            "const a = new Array(1e6).fill(1)\nreturn {a: Math.max(...a, ...a, ...a, ...a)}",
            &[Memory, Error, Timeout],
        ),
        attack("apply", "return {a: Math.max.apply(null, {length: 1e9})}", &[Memory, Error]),
        attack(
            "promises",
            "const f = () => Promise.resolve().then(f).then(f)\nconst s = []\nfor (;;) s.push(f())",
            &[Memory, Timeout],
        ),
        attack("printing", "for (;;) console.log('x'.repeat(1e7))", &[Timeout, Memory]),
        attack(
            "getters that grow",
            "const a = []\na.push(0)\nObject.defineProperty(a, 0, {get() { for (let i = 0; i < 1e6; i++) a.push(1); return 1 }})\nreturn {a}",
            &[OutputInvalid, Memory, Timeout],
        ),
        attack("thrown text", "throw 'x'.repeat(1e8)", &[Error, Memory]),
        attack("error message", "throw new Error('x'.repeat(1e7))", &[Error, Memory, Timeout]),
    ];
    run(Language::JavaScript, LONG, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depth_has_an_end() {
    let chain = format!("return {{a: {}1}}", "1 + ".repeat(5_000));
    let attacks = vec![
        attack("recursion", "function f() { return f() + 1 }\nreturn {a: f()}", &[Error]),
        attack(
            "recursion that catches",
            "function f() { try { return f() + 1 } catch { return f() + 1 } }\nreturn {a: f()}",
            &[Error, Timeout],
        ),
        attack("recursion in sort", "function f() { return [2, 1].sort(f) }\nreturn {a: f()}", &[Error]),
        attack("recursion in toString", "const a = {toString() { return `${a}` }}\nreturn {a: `${a}`}", &[Error]),
        attack("recursion in getters", "const a = {get b() { return this.b }}\nreturn a", &[Error]),
        attack("recursion in replace", "const f = () => 'a'.replace('a', f)\nreturn {a: f()}", &[Error]),
        attack(
            "recursion in json",
            "const a = {toJSON() { return JSON.stringify(a) }}\nreturn {a: JSON.stringify(a)}",
            &[Error],
        ),
        attack("recursion in constructors", "class A { constructor() { new A() } }\nreturn {a: new A()}", &[Error]),
        attack("deep output", "let a = []\nfor (let i = 0; i < 100000; i++) a = [a]\nreturn {a}", &[OutputInvalid]),
        attack(
            "deep output of objects",
            "let a = {}\nfor (let i = 0; i < 100000; i++) a = {a}\nreturn a",
            &[OutputInvalid],
        ),
        attack("endless output", "const a = {get a() { return {get a() { return a }} }}\nreturn {a}", &[OutputInvalid]),
        attack("too deep by one", "let a = 1\nfor (let i = 0; i < 64; i++) a = [a]\nreturn {a}", &[OutputInvalid]),
        attack("deep json", "return {a: JSON.parse('['.repeat(100000))}", &[Error]),
        attack(
            "deep json whole",
            "return {a: JSON.parse('['.repeat(100000) + ']'.repeat(100000))}",
            &[Error, OutputInvalid],
        ),
        attack(
            "deep json out",
            "let a = []\nfor (let i = 0; i < 100000; i++) a = [a]\nreturn {a: JSON.stringify(a)}",
            &[Error],
        ),
        attack(
            "deep flat",
            "let a = []\nfor (let i = 0; i < 100000; i++) a = [a]\nreturn {a: [a].flat(Infinity).length + null.x}",
            &[Error],
        ),
        attack("deep text", "let a = []\nfor (let i = 0; i < 100000; i++) a = [a]\nreturn {a: `${a}`}", &[Error]),
        attack("cycle", "const a = []\na.push(a)\nreturn {a}", &[OutputInvalid]),
        attack("cycle of objects", "const a = {}\na.a = a\nreturn a", &[OutputInvalid]),
        attack("cycle in json", "const a = {}\na.a = a\nreturn {a: JSON.stringify(a)}", &[Error]),
        attack("deep source", &format!("return {{a: {}1{}}}", "(".repeat(100_000), ")".repeat(100_000)), &[Error]),
        attack("deep list", &format!("return {{a: {}1{}}}", "[".repeat(100_000), "]".repeat(100_000)), &[Error]),
        attack("deep blocks", &format!("{}{}", "{".repeat(100_000), "}".repeat(100_000)), &[Error]),
        attack("deep functions", &format!("return {{a: {}1}}", "() => ".repeat(30_000)), &[Error]),
        attack("many nots", &format!("return {{a: {}1}}", "!".repeat(100_000)), &[Error]),
        attack("deep templates", &format!("return {{a: {}1{}}}", "`${".repeat(20_000), "}`".repeat(20_000)), &[Error]),
        attack(
            "deep regex",
            &format!("return {{a: /{}a{}/.test('a') + null.x}}", "(?:".repeat(20_000), ")".repeat(20_000)),
            &[Error],
        ),
        attack(
            "deep regex made",
            "return {a: new RegExp('(?:'.repeat(100000) + ')'.repeat(100000)).test('a') + null.x}",
            &[Error, Memory],
        ),
        attack("long chain that fails", &format!("{chain}\nnull.x\n}}"), &[Error]),
        attack(
            "deep destructuring",
            &format!("const {}a{} = items\nreturn {{}}", "[".repeat(50_000), "]".repeat(50_000)),
            &[Error],
        ),
    ];
    run(Language::JavaScript, LONG, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_data_stays_inside() {
    let attacks = vec![
        attack("nothing", "", &[OutputInvalid]),
        attack("null", "return null", &[OutputInvalid]),
        attack("list", "return [1]", &[OutputInvalid]),
        attack("text", "return 'a'", &[OutputInvalid]),
        attack("text object", "return new String('a')", &[OutputInvalid]),
        attack("function", "return () => 1", &[OutputInvalid]),
        attack("function within", "return {a() {}}", &[OutputInvalid]),
        attack("thenable", "return {then(f) { f({a: 1}) }}", &[OutputInvalid]),
        attack("promise", "return Promise.resolve({a: 1})", &[OutputInvalid]),
        attack("async", "return (async () => ({a: 1}))()", &[OutputInvalid]),
        attack("promise within", "return {a: Promise.resolve(1)}", &[OutputInvalid]),
        attack("generator", "return (function* () { yield 1 })()", &[OutputInvalid]),
        attack("symbol", "return {a: Symbol('x')}", &[OutputInvalid]),
        attack("nan", "return {a: NaN}", &[OutputInvalid]),
        attack("infinite", "return {a: [1 / 0]}", &[OutputInvalid]),
        attack("large integer", "return {a: 2n ** 64n}", &[OutputInvalid]),
        attack("large negative integer", "return {a: -(2n ** 63n) - 1n}", &[OutputInvalid]),
        attack("very large integer", "return {a: 2n ** 100000n}", &[OutputInvalid]),
        attack("date", "return {a: new Date(0)}", &[OutputInvalid]),
        attack("map", "return {a: new Map()}", &[OutputInvalid]),
        attack("set", "return {a: new Set([1])}", &[OutputInvalid]),
        attack("regex", "return {a: /a/}", &[OutputInvalid]),
        attack("error", "return {a: new Error('x')}", &[OutputInvalid]),
        attack("bytes", "return {a: new Uint8Array(3)}", &[OutputInvalid]),
        attack("class", "class A {}\nreturn {a: new A()}", &[OutputInvalid]),
        attack("class as output", "class A {}\nreturn new A()", &[OutputInvalid]),
        attack("console", "return {console}", &[OutputInvalid]),
        attack("globals", "return globalThis", &[OutputInvalid]),
        attack("getter that throws", "return {get a() { throw new Error('x') }}", &[Error]),
        attack("getter that gives a function", "return {get a() { return () => 1 }}", &[OutputInvalid]),
        attack("long list", "const a = []\na.length = 4294967295\nreturn {a}", &[OutputInvalid]),
        attack("sparse list", "const a = []\na[4294967294] = 1\nreturn {a}", &[OutputInvalid]),
        attack("large", "return {a: 'x'.repeat(2 ** 20)}", &[OutputInvalid]),
        attack("large when escaped", "return {a: '\\x00'.repeat(250000)}", &[OutputInvalid]),
        attack("large key", "return {['x'.repeat(2 ** 20)]: 1}", &[OutputInvalid]),
        attack("many", "return {a: new Array(20001).fill(1)}", &[OutputInvalid]),
        attack("thrown null", "throw null", &[Error]),
        attack("thrown text", "throw 'x'", &[Error]),
        attack("thrown symbol", "throw Symbol('x')", &[Error]),
        attack("thrown without prototype", "throw Object.create(null)", &[Error]),
        attack(
            "forged stack",
            "const e = new Error('x')\ne.stack = '    at x (block:999999999999:1)'\nthrow e",
            &[Error],
        ),
        attack(
            "error without prototype",
            "const e = new Error('x')\nObject.setPrototypeOf(e, null)\nthrow e",
            &[Error],
        ),
    ];
    run(Language::JavaScript, LONG, attacks).await;
}
