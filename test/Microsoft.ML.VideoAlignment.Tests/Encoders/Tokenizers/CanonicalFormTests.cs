using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Rows of Unicode's NormalizationTest.txt, one for each rule.</summary>
public class CanonicalFormTests
{
    [TestCase("caf\u0065\u0301", "caf\u00E9", TestName = "a mark is composed")]
    [TestCase("\u0044\u0307\u0323", "\u1E0C\u0307", TestName = "marks are ordered by class, then the first is composed")]
    [TestCase("\u1E9B\u0323", "\u1E9B\u0323", TestName = "a composite that stands is taken apart and put together again")]
    [TestCase("a\u0305\u0301", "a\u0305\u0301", TestName = "a mark of the same class blocks")]
    [TestCase("\u212B\u2126", "\u00C5\u03A9", TestName = "singletons are replaced")]
    [TestCase("\u0958", "\u0915\u093C", TestName = "excluded composites stay apart")]
    [TestCase("\u1112\u1161\u11AB\uAE00", "\uD55C\uAE00", TestName = "Hangul is composed")]
    [TestCase("\uAC00\u11A7", "\uAC00\u11A7", TestName = "U+11A7 is no trailing consonant")]
    [TestCase("\U0001D15E", "\U0001D157\U0001D165", TestName = "beyond U+FFFF")]
    [TestCase("plain \u00E9 text", "plain \u00E9 text", TestName = "nothing to do")]
    public void FormC(string text, string expected) => Assert.That(CanonicalForm.Compose(text), Is.EqualTo(expected));
}
