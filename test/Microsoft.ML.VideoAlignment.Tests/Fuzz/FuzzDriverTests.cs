namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The driver sees what it is there to see.</summary>
public class FuzzDriverTests
{
    private static readonly byte[] s_seed = "a seed: 12"u8.ToArray();

    [Test]
    public void AnExceptionThatIsNotPromisedIsAFinding()
    {
        FuzzReport report =
            new FuzzDriver(60).Run(Reader((_, input) => throw (input.Length > 12 ? new ArithmeticException() : new InvalidDataException())), 100);
        Assert.That(report.Findings, Has.Some.Contains("ArithmeticException").And.None.Contains("input 0 InvalidDataException"));
        Assert.That(report.Findings, Has.Some.Contains("seed 0 is to be read"));
    }

    [Test]
    public void APromisedExceptionIsNone()
    {
        FuzzReport report = new FuzzDriver(60).Run(Reader((_, input) =>
        {
            if (!input.AsSpan().SequenceEqual(s_seed))
            {
                throw new EndOfStreamException();
            }
        }), 100);
        Assert.That(report.Findings, Is.Empty);
        Assert.That(report.Inputs, Is.EqualTo(100));
        Assert.That(report.WereRead, Is.LessThan(20));
    }

    [Test]
    public void MemoryBeyondTheInputsMeasureIsAFinding()
    {
        FuzzReport report = new FuzzDriver(60).Run(Reader((_, input) => GC.KeepAlive(new byte[input.Length > 12 ? FuzzDriver.FreeBytes * 2 : 1])), 20);
        Assert.That(report.Findings, Has.Some.Contains("bytes were allocated"));
    }

    [Test]
    public void ProcessorTimeBeyondTheMeasureIsAFinding()
    {
        FuzzReport report = new FuzzDriver(0.05).Run(Reader((_, _) =>
        {
            double end = ProcessorTime.OfThisThread() + 0.1;
            while (ProcessorTime.OfThisThread() < end)
            {
            }
        }), 1);
        Assert.That(report.Findings, Has.Some.Contains("processor seconds"));
    }

    [Test]
    public void AnInputIsTheSameInEveryRun()
    {
        FuzzReader reader = Reader((_, _) => { });
        byte[][] first = [.. Enumerable.Range(0, 50).Select(number => FuzzDriver.Input(reader, number))];
        Assert.That(Enumerable.Range(0, 50).Select(number => FuzzDriver.Input(reader, number)), Is.EqualTo(first));
        Assert.That(Convert.ToHexString(FuzzDriver.Input(reader, 3)), Is.Not.EqualTo(Convert.ToHexString(FuzzDriver.Input(reader, 4))));
    }

    [Test]
    public void ManyInputsAreNotTheSeed() =>
        Assert.That(Enumerable.Range(0, 100).Count(number => FuzzDriver.Input(Reader((_, _) => { }), number).AsSpan().SequenceEqual(s_seed)), Is.LessThan(20));

    private static FuzzReader Reader(Action<TemporaryFolder, byte[]> read) =>
        new("a reader", [s_seed], read, typeof(IOException), typeof(InvalidDataException));
}
