using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

public class TextRepairTests
{
    /// <summary>Good texts in which an accented letter stands before punctuation that, as Windows-1252, would continue it in UTF-8.</summary>
    [TestCase("CAFÉ… et thé")]
    [TestCase("«AMANHû de manhã")]
    [TestCase("die “GRÖß” – Größe")]
    [TestCase("É™ MÁ»")]
    [TestCase("à l'école, où ça va bien")]
    [TestCase("Ångström, smørrebrød, señor, Привет")]
    public void GoodTextStays(string text)
    {
        Assert.That(Mojibake.Repair(text), Is.EqualTo(text));
    }

    [TestCase("cafÃ©", "café")]
    [TestCase("l’humanitÃ©", "l’humanité")]
    [TestCase("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет")]
    [TestCase("ð\u009f\u0098\u0080", "😀")]
    public void WhatWasDecodedWronglyIsDecodedAgain(string text, string expected) => Assert.That(Mojibake.Repair(text), Is.EqualTo(expected));

    [TestCase("&amp;amp; &eacute; &EACUTE; &notit; &unknown;", "& é É &notit; &unknown;")]
    [TestCase("<b> &amp;", "<b> &amp;")]
    [TestCase("&amp;\n<b>\n&amp;", "&\n<b>\n&amp;")]
    [TestCase("“a” ‘b’ ﬁ Ａ\u3000ｶ\u001B[31m\u0007\r\nx", "\"a\" 'b' fi A カ\nx")]
    public void EachLineIsMended(string text, string expected) => Assert.That(TextRepair.Fix(text), Is.EqualTo(expected));

    [TestCase("&notit; &notin; &#x41;&#65 &#128;", "¬it; ∉ AA €")]
    [TestCase("&", "&")]
    [TestCase("&#; &#x; &;", "&#; &#x; &;")]
    [TestCase("&#xFFFFFFFFFFFFFFFFFFFF;&#0;&#xD800;&#1;", "\uFFFD\uFFFD\uFFFD")]
    public void ReferencesAreReadAsBrowsersDo(string text, string expected) => Assert.That(HtmlEntities.Decode(text), Is.EqualTo(expected));

    [TestCase("ΣΑΣ ΣΑΣ, Σ", "σας σας, σ")]
    [TestCase("  Two\tWords ", "two words")]
    public void LowerCaseKnowsTheFinalSigma(string text, string expected) => Assert.That(OpenClipText.Normalize(text), Is.EqualTo(expected));

    [Test]
    public void AFileThatHoldsNoMergesIsTold()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("vocab.txt", "version\na photograph of\n"u8);
        Assert.That(() => OpenClipVocabulary.ReadTokenizer(path),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("line 2").And.Message.Contains("a photograph of"));
    }

    /// <summary>Punctuation swallows what follows it, as in the reference's pattern, so the end token is one only where a piece begins.</summary>
    [Test]
    public void SpecialTokensCountWhereAPieceBegins()
    {
        string merges = Path.Combine(ConformanceCase.Root, "S05-tokenizers", "vocab", "clip", "bpe_simple_vocab_16e6.txt.gz");
        ClipTokenizer tokenizer = OpenClipVocabulary.ReadTokenizer(merges);
        Assert.That(tokenizer.ToIds("a<end_of_text>"), Does.Contain(49407));
        Assert.That(tokenizer.ToIds("a!<end_of_text>"), Does.Not.Contain(49407));
        Assert.That(tokenizer.HighestId, Is.EqualTo(49407));
    }
}
