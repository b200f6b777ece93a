//! Attacks in Python.

use noukai_engine::CodeErrorKind::{Error, Memory, OutputInvalid, Timeout};
use noukai_flow::Language;

use super::{Attack, LONG, SHORT, attack, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ways_out_lead_nowhere() {
    let attacks = vec![
        attack("import", "import os\nreturn {}", &[Error]),
        attack("import of a part", "from os import environ\nreturn {}", &[Error]),
        attack("import of a submodule", "import json.decoder\nreturn {}", &[Error]),
        attack("import of all", "from json import *\nreturn {}", &[Error]),
        attack("relative import", "from . import x\nreturn {}", &[Error]),
        attack("__import__", "return {'a': __import__('os')}", &[Error]),
        attack("sys by json", "import json\nreturn {'a': json.sys.modules}", &[Error]),
        attack("builtins by re", "import re\nreturn {'a': re.enum.sys.modules['os'].getcwd()}", &[Error]),
        attack("eval", "return {'a': eval('1')}", &[Error]),
        attack("exec", "exec('a = 1')\nreturn {}", &[Error]),
        attack("compile", "return {'a': compile('1', '', 'eval')}", &[Error]),
        attack("open", "return {'a': open('/etc/passwd').read()}", &[Error]),
        attack("getattr", "return {'a': getattr(items, 'append')}", &[Error]),
        attack("setattr", "setattr(items, 'a', 1)\nreturn {}", &[Error]),
        attack("type", "return {'a': str(type(items))}", &[Error]),
        attack("type made anew", "return {'a': type('X', (), {})}", &[Error]),
        attack("vars", "return vars()", &[Error]),
        attack("globals", "return globals()", &[Error]),
        attack("locals", "return locals()", &[Error]),
        attack("dir", "return {'a': dir(items)}", &[Error]),
        attack("input", "return {'a': input()}", &[Error]),
        attack("breakpoint", "breakpoint()\nreturn {}", &[Error]),
        attack("builtins", "return {'a': __builtins__}", &[Error]),
        attack("bases", "return {'a': ().__class__.__bases__[0].__subclasses__()}", &[Error]),
        attack("mro", "return {'a': str(''.__class__.__mro__)}", &[Error]),
        attack("function globals", "return {'a': (lambda: 0).__globals__}", &[Error]),
        attack("function code", "def f():\n    pass\nreturn {'a': f.__code__}", &[Error]),
        attack("wide letters", "return {'a': str(().__ｃlass__)}", &[Error]),
        attack(
            "exception frame",
            "try:\n    1/0\nexcept Exception as e:\n    return {'a': e.__traceback__.tb_frame}",
            &[Error],
        ),
        attack(
            "exception by other names",
            "try:\n    1/0\nexcept Exception as e:\n    return {'a': e.tb_frame.f_back.f_globals}",
            &[Error],
        ),
        attack(
            "exception attributes",
            "try:\n    items.nothing\nexcept AttributeError as e:\n    return {'a': e.obj}",
            &[Error, OutputInvalid],
        ),
        attack("generator frame", "g = (x for x in items)\nreturn {'a': g.gi_frame.f_back.f_back.f_globals}", &[Error]),
        attack("generator code", "g = (x for x in items)\nreturn {'a': g.gi_code}", &[Error]),
        attack("format walk", "return {'a': '{0.__class__}'.format(items)}", &[Error]),
        attack("format walk by key", "return {'a': '{a.__class__.__init__}'.format(a=items)}", &[Error]),
        attack("format index walk", "return {'a': '{0[__class__]}'.format(items)}", &[Error]),
        attack("format_map walk", "return {'a': '{a.__class__}'.format_map({'a': items})}", &[Error]),
        attack(
            "format walk in pieces",
            "return {'a': ('{0.' + '_' * 2 + 'class' + '_' * 2 + '}').format(items)}",
            &[Error],
        ),
        attack("f-string walk", "return {'a': f'{items.__class__}'}", &[Error]),
        attack("yield", "yield 1", &[Error]),
        attack("await", "await x", &[Error]),
        attack("async function", "async def f():\n    pass\nreturn {'a': f()}", &[Error]),
        attack("class", "class A:\n    pass\nreturn {}", &[Error]),
        attack("decorator", "@exec\n@input\ndef f():\n    pass\nreturn {}", &[Error]),
        attack("end of the function", "return {}\n\ndef _block(a):\n    return __import__", &[Error]),
        attack("shadowed name", "open = open\nreturn {'a': open('/etc/passwd')}", &[Error]),
        attack("shadowed in a function", "def f():\n    open = 1\nreturn {'a': open('/etc/passwd').read()}", &[Error]),
        attack(
            "shadowed getattr",
            "def f():\n    getattr = 1\nreturn {'a': str(getattr(items, '__class__'))}",
            &[Error],
        ),
        attack("shadowed type", "def f(type):\n    return type\nreturn {'a': type(items)}", &[Error, OutputInvalid]),
        attack("null byte", "return {'a': 1}\0", &[Error]),
        attack("magic command", "!ls\nreturn {}", &[Error]),
        attack("bidi", "return {'a': '\u{202e}', }\n\u{202e}x", &[Error]),
    ];
    run(Language::Python, LONG, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_is_up_in_time() {
    let attacks = vec![
        attack("loop", "while True:\n    pass", &[Timeout]),
        attack(
            "loop that catches",
            "while True:\n    try:\n        while True:\n            pass\n    except Exception:\n        pass",
            &[Timeout],
        ),
        attack(
            "bare except",
            "while True:\n    try:\n        while True:\n            pass\n    except:\n        pass",
            &[Timeout],
        ),
        attack(
            "loop at last",
            "try:\n    while True:\n        pass\nfinally:\n    while True:\n        pass",
            &[Timeout],
        ),
        attack("sum", "return {'a': sum(range(10**12))}", &[Timeout]),
        // A generator expression is a list here, so that memory may run out before time does.
        attack("any", "return {'a': any(x < 0 for x in range(10**12))}", &[Timeout, Memory]),
        attack("in", "return {'a': -1 in (x for x in range(10**12))}", &[Timeout, Memory]),
        attack("sort", "return {'a': sorted(range(3 * 10**5), key=lambda x: sum(range(100)))[0]}", &[Timeout]),
        attack("print", "while True:\n    print('x' * 1000)", &[Timeout]),
        attack("print to nowhere", "while True:\n    print('', end='')", &[Timeout]),
        attack("power", "return {'a': 3 ** 3 ** 15 % 7}", &[Timeout, Memory]),
        attack("power of three", "return {'a': pow(7, 10**10**5, 10**10**5)}", &[Timeout, Memory, Error]),
        attack("factorial", "import math\nreturn {'a': math.factorial(10**6) % 7}", &[Timeout, Memory, Error]),
        attack("digits", "return {'a': len(str(7 ** 3000000))}", &[Timeout, Memory, Error]),
        attack("int of digits", "return {'a': int('7' * 1000000) % 7}", &[Timeout, Error]),
        attack("regex", "import re\nreturn {'a': re.match('(a+)+$', 'a' * 50 + 'b')}", &[]),
        attack("regex alternatives", "import re\nreturn {'a': bool(re.search('(a|aa)+$', 'a' * 100 + 'b'))}", &[]),
        attack(
            "regex look back",
            "import re\nreturn {'a': re.sub(r'((a|b|ab)*)*\\1c', 'x', 'ab' * 60)}",
            &[Timeout, Error],
        ),
        attack("all of a dict", "d = {}\nwhile True:\n    d[1] = 1", &[Timeout]),
        attack(
            "replace",
            "s = 'a' * 10**6\nwhile True:\n    s = s.replace('a', 'b').replace('b', 'a')",
            &[Timeout, Memory],
        ),
    ];
    run(Language::Python, SHORT, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_has_an_end() {
    let attacks = vec![
        attack("text", "return {'a': len('a' * 10**10)}", &[Memory]),
        attack("text of 1 GB", "return {'a': len('a' * 10**9)}", &[Memory]),
        attack("list", "return {'a': len([0] * 10**10)}", &[Memory]),
        attack("doubling text", "s = 'a'\nwhile True:\n    s = s + s", &[Memory]),
        attack("doubling list", "s = [1]\nwhile True:\n    s = s + s", &[Memory]),
        attack("doubling itself", "s = [1]\nwhile True:\n    s.extend(s)", &[Memory]),
        attack("small allocations", "s = []\nwhile True:\n    s.append([])", &[Memory, Timeout]),
        attack("small dicts", "s = []\nwhile True:\n    s.append({'a': [1, 'b' + str(len(s))]})", &[Memory, Timeout]),
        attack("keys", "s = {}\nwhile True:\n    s[str(len(s))] = len(s)", &[Memory, Timeout]),
        attack(
            "caught",
            "s = []\nwhile True:\n    try:\n        while True:\n            s.append('a' * 100000 + str(len(s)))\n    except Exception:\n        pass",
            &[Memory],
        ),
        attack("range", "return {'a': len(list(range(10**10)))}", &[Memory, Timeout]),
        attack("shift", "return {'a': (1 << 10**10) % 7}", &[Memory]),
        attack("width", "return {'a': len('{:>1000000000}'.format('x'))}", &[Memory, Error, Timeout]),
        attack("width of an f-string", "n = 10**9\nreturn {'a': len(f'{1:>{n}}')}", &[Memory, Error, Timeout]),
        attack("width in percent", "return {'a': len('%1000000000d' % 1)}", &[Memory, Error, Timeout]),
        attack("precision", "return {'a': len('{:.1000000000f}'.format(1.5))}", &[Memory, Error, Timeout]),
        attack("justify", "return {'a': len('x'.ljust(10**10))}", &[Memory, Error]),
        attack("zeros", "return {'a': len('1'.zfill(10**10))}", &[Memory, Error]),
        attack("join", "return {'a': len(('b' * 10**6).join(['a'] * 10**5))}", &[Memory, Timeout]),
        attack("replace nothing", "return {'a': len(('a' * 10**6).replace('', 'b' * 10**4))}", &[Memory, Timeout]),
        attack("split", "return {'a': len(('a,' * 10**7).split(','))}", &[Memory, Timeout]),
        attack(
            "regex size",
            "import re\nreturn {'a': bool(re.compile('((a{1000}){1000}){1000}'))}",
            &[Memory, Error, Timeout],
        ),
        attack("regex sub", "import re\nreturn {'a': len(re.sub('', 'b' * 10**5, 'a' * 10**5))}", &[Memory, Timeout]),
        attack(
            "json",
            "import json\ns = [1]\nfor _ in range(30):\n    s = [s, s]\nreturn {'a': len(json.dumps(s))}",
            &[Memory, Timeout],
        ),
        attack("repr", "s = [1]\nfor _ in range(40):\n    s = [s, s]\nreturn {'a': len(repr(s))}", &[Memory, Timeout]),
        attack(
            "equal",
            "a = [1]\nb = [1]\nfor _ in range(40):\n    a = [a, a]\n    b = [b, b]\nreturn {'a': a == b}",
            &[Timeout, Error],
        ),
        attack(
            "laughing output",
            "s = [1]\nfor _ in range(40):\n    s = [s, s]\nreturn {'a': s}",
            &[OutputInvalid, Memory, Timeout],
        ),
        attack(
            "unpacking",
            "a = [1] * 10**6\nreturn {'a': len([*a, *a, *a, *a, *a, *a, *a, *a, *a, *a] * 100)}",
            &[Memory, Timeout],
        ),
        attack(
            "product",
            "return {'a': len([(x, y) for x in range(10**5) for y in range(10**5)])}",
            &[Memory, Timeout],
        ),
        attack("tuple", "return {'a': len((1,) * 10**10)}", &[Memory]),
        attack("power", "return {'a': 10 ** 10 ** 9 % 7}", &[Memory, Timeout]),
        attack("doubling number", "n = 3\nwhile True:\n    n = n * n", &[Memory, Timeout]),
        attack("uppercase", "return {'a': len(('ß' * 10**8).upper())}", &[Memory]),
    ];
    run(Language::Python, LONG, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depth_has_an_end() {
    let chain = format!("return {{'a': {}1}}", "1 + ".repeat(5_000));
    let calls = format!("return {{'a': items{}}}", ".copy()".repeat(5_000));
    let ifs: String = (0..150).map(|depth| format!("{}if items:\n", " ".repeat(depth))).collect();
    let elifs = format!("if items:\n    pass\n{}", "elif items:\n    pass\n".repeat(5_000));
    let attacks = vec![
        attack("recursion", "def f():\n    return f()\nreturn {'a': f()}", &[Error]),
        attack(
            "recursion by turns",
            "def f(n):\n    return g(n)\ndef g(n):\n    return f(n)\nreturn {'a': f(1)}",
            &[Error],
        ),
        attack(
            "recursion that catches",
            "def f():\n    try:\n        return f()\n    except Exception:\n        return f()\nreturn {'a': f()}",
            &[Error, Timeout],
        ),
        attack("recursion in sort", "def f(x):\n    return sorted([1, 2], key=f)\nreturn {'a': f(1)}", &[Error]),
        attack("recursion in map", "def f(x):\n    return list(map(f, [1]))\nreturn {'a': f(1)}", &[Error]),
        attack("recursion in generators", "def f(x):\n    return sum(f(y) for y in [1])\nreturn {'a': f(1)}", &[Error]),
        attack(
            "recursion in regex",
            "import re\ndef f(m):\n    return re.sub('a', f, 'a')\nreturn {'a': f(1)}",
            &[Error],
        ),
        attack("deep output", "a = []\nfor _ in range(100000):\n    a = [a]\nreturn {'a': a}", &[OutputInvalid]),
        attack("deep output of dicts", "a = {}\nfor _ in range(100000):\n    a = {'a': a}\nreturn a", &[OutputInvalid]),
        attack(
            "output that is too deep by one",
            "a = 1\nfor _ in range(64):\n    a = [a]\nreturn {'a': a}",
            &[OutputInvalid],
        ),
        attack("deep tuple", "a = ()\nfor _ in range(100000):\n    a = (a,)\nreturn {'a': a}", &[OutputInvalid]),
        attack("deep repr", "a = []\nfor _ in range(100000):\n    a = [a]\nreturn {'a': repr(a)}", &[]),
        attack(
            "deep equality",
            "a = []\nb = []\nfor _ in range(100000):\n    a = [a]\n    b = [b]\nreturn {'a': a == b}",
            &[Error],
        ),
        attack("deep hash", "a = ()\nfor _ in range(100000):\n    a = (a,)\nreturn {'a': len({a: 1})}", &[Error]),
        attack("deep json", "import json\nreturn {'a': json.loads('[' * 100000)}", &[Error]),
        attack(
            "deep json whole",
            "import json\nreturn {'a': json.loads('[' * 100000 + ']' * 100000)}",
            &[Error, OutputInvalid],
        ),
        attack(
            "deep json out",
            "import json\na = []\nfor _ in range(100000):\n    a = [a]\nreturn {'a': json.dumps(a)}",
            &[Error],
        ),
        attack("cycle", "a = []\na.append(a)\nreturn {'a': a}", &[OutputInvalid]),
        attack("cycle of dicts", "a = {}\na['a'] = a\nreturn a", &[OutputInvalid]),
        attack("cycle in json", "import json\na = []\na.append(a)\nreturn {'a': json.dumps(a)}", &[Error]),
        attack("deep source", &format!("return {{'a': {}1{}}}", "(".repeat(50_000), ")".repeat(50_000)), &[Error]),
        attack("deep list", &format!("return {{'a': {}1{}}}", "[".repeat(50_000), "]".repeat(50_000)), &[Error]),
        attack("deep lambda", &format!("return {{'a': {}1}}", "lambda: ".repeat(20_000)), &[Error]),
        attack("many nots", &format!("return {{'a': {}1}}", "not ".repeat(50_000)), &[Error]),
        attack("many minuses", &format!("return {{'a': {}1}}", "-".repeat(100_000)), &[Error]),
        attack("long chain", &chain, &[Error]),
        attack("long chain of calls", &calls, &[Error]),
        attack("deep ifs", &format!("{ifs}{}return {{}}", " ".repeat(150)), &[]),
        attack("many elifs", &elifs, &[Error, OutputInvalid]),
        attack(
            "deep f-string",
            &format!("return {{'a': {}}}", (0..50).fold("1".to_owned(), |inner, _| format!("f'{{{inner}}}'"))),
            &[],
        ),
        attack(
            "deep brackets of f-string",
            &format!("return {{'a': f'{}1{}'}}", "{".repeat(10_001), "}".repeat(10_001)),
            &[],
        ),
        attack(
            "many parameters",
            &format!("return {{'a': f({})}}", (0..70_000).map(|_| "1").collect::<Vec<_>>().join(",")),
            &[Error],
        ),
        attack("long number", &format!("return {{'a': {}}}", "9".repeat(100_000)), &[Error, OutputInvalid]),
    ];
    run(Language::Python, LONG, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_data_stays_inside() {
    let attacks: Vec<Attack> = vec![
        attack("nothing", "pass", &[OutputInvalid]),
        attack("none", "return None", &[OutputInvalid]),
        attack("list", "return [1]", &[OutputInvalid]),
        attack("text", "return 'a'", &[OutputInvalid]),
        attack("nan", "return {'a': float('nan')}", &[OutputInvalid]),
        attack("infinite", "return {'a': [1, float('inf')]}", &[OutputInvalid]),
        attack("minus infinite", "return {'a': -1e999}", &[OutputInvalid]),
        attack("large integer", "return {'a': 2**64}", &[OutputInvalid]),
        attack("large negative integer", "return {'a': -2**63 - 1}", &[OutputInvalid]),
        attack("key", "return {1: 2}", &[OutputInvalid]),
        attack("key within", "return {'a': {None: 2}}", &[OutputInvalid]),
        attack("set", "return {'a': {1, 2}}", &[OutputInvalid]),
        attack("bytes", "return {'a': 'a'.encode()}", &[OutputInvalid]),
        attack("function", "def f():\n    pass\nreturn {'a': f}", &[OutputInvalid]),
        attack("lambda", "return {'a': lambda: 1}", &[OutputInvalid]),
        attack("builtin", "return {'a': len}", &[OutputInvalid]),
        attack("type as value", "return {'a': int}", &[OutputInvalid]),
        attack("module", "import json\nreturn {'a': json}", &[OutputInvalid]),
        attack("exception", "return {'a': ValueError('x')}", &[OutputInvalid]),
        attack("generator", "return {'a': (x for x in [1])}", &[]),
        attack("range", "return {'a': range(10**15)}", &[OutputInvalid]),
        attack("date", "import datetime\nreturn {'a': datetime.date(2020, 1, 1)}", &[OutputInvalid]),
        attack("match", "import re\nreturn {'a': re.match('a', 'a')}", &[OutputInvalid]),
        attack("ellipsis", "return {'a': ...}", &[OutputInvalid]),
        attack("large", "return {'a': 'x' * 2**20}", &[OutputInvalid]),
        attack("large when escaped", "return {'a': '\\x00' * 250000}", &[OutputInvalid]),
        attack("large key", "return {'x' * 2**20: 1}", &[OutputInvalid]),
        attack("many", "return {'a': [1] * 20001}", &[OutputInvalid, Memory]),
        attack("surrogate", "return {'a': chr(0xd800)}", &[Error, OutputInvalid]),
        attack(
            "surrogate in json",
            "import json\nreturn {'a': json.loads('\"' + chr(92) + 'ud800\"')}",
            &[Error, OutputInvalid],
        ),
    ];
    run(Language::Python, LONG, attacks).await;
}
