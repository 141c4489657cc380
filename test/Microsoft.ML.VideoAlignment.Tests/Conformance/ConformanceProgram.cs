using System.Globalization;
using Microsoft.ML.VideoAlignment.Benchmarks;
using Microsoft.ML.VideoAlignment.Tensors;
using NUnit.Framework.Internal;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// The conformance cases as a program without a test runner, for a check on another device: one line a case. The device is that of <see cref="CaseDevice"/>.
/// </summary>
internal static class ConformanceProgram
{
    /// <summary>The first word of the command line.</summary>
    public const string Verb = "conformance";

    /// <summary>Runs cases in order, with products and convolutions of full float32.</summary>
    /// <param name="arguments">How many cases to leave out, then the suites, such as "S06-unet3d"; no suite: all.</param>
    /// <returns>The exit code: 0 where every case ran, however it ended, and <see cref="CheckRow.DeviceLost"/> where the device answers no more.</returns>
    public static int Run(string[] arguments)
    {
        int done = int.Parse(arguments[0], CultureInfo.InvariantCulture);
        string[] suites = arguments[1..];
        using IDisposable rounding = TensorFloat32.Begin(false);
        foreach (ConformanceCase testCase in ConformanceCase.All()
            .Where(testCase => !NotCovered.Contains(testCase) && (suites.Length == 0 || suites.Contains(testCase.Suite))).Skip(done))
        {
            Exception? thrown = RunCase(testCase);
            CheckVerdict verdict = thrown switch
            {
                null => CheckVerdict.Passed,
                IgnoreException => CheckVerdict.Skipped,
                _ => CheckVerdict.Failed,
            };
            string note = thrown is AssertionException or IgnoreException ? thrown.Message.Trim() : $"{thrown}";
            new CheckRow($"{testCase}", verdict, note).Write(Console.Out);
            if (CheckRow.LosesDevice(thrown))
            {
                return CheckRow.DeviceLost;
            }
        }

        return 0;
    }

    // Outside of a test runner assertions gather in one context: each case has its own.
    private static Exception? RunCase(ConformanceCase testCase)
    {
        using var context = new TestExecutionContext.IsolatedContext();
        try
        {
            ConformanceTests.Compare(testCase);
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }
}
