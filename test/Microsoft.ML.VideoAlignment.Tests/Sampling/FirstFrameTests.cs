using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

public class FirstFrameTests
{
    [Test]
    public void AImageOfTheVideosSizeIsTakenAsItIs()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = Ramp.Values(1, 1, 3, 8, 12) + 0.5;
        Assert.That(FirstFrame.Fit(image, 8, 12).data<float>().ToArray(), Is.EqualTo(image.data<float>().ToArray()));
    }

    [Test]
    public void AnotherSizeIsResizedWithinTheRange()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = zeros(1, 3, 8, 8);
        image[0, .., 2.., 2..] = 1;
        Tensor fitted = FirstFrame.Fit(image, 20, 16);
        Assert.That(fitted.shape, Is.EqualTo(new long[] { 1, 3, 20, 16 }));
        Assert.That((fitted.min().item<float>(), fitted.max().item<float>()), Is.EqualTo((0f, 1f)), "no overshoot");
    }

    /// <summary>
    /// Every third column is white: a third of what eight columns become, where each is looked at; some would be black, and some white, without antialiasing.
    /// </summary>
    [Test]
    public void ALargerImageIsMadeSmallerWithoutAliasing()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor stripes = arange(128).remainder(3).eq(0).to(ScalarType.Float32).view(1, 1, 1, 128).expand(1, 3, 128, 128);
        float[] fitted = FirstFrame.Fit(stripes, 16, 16).narrow(3, 2, 12).contiguous().data<float>().ToArray();
        Assert.That(fitted, Is.All.EqualTo(1 / 3.0).Within(0.1));
    }

    [TestCase(255.0)]
    [TestCase(-1.0)]
    [TestCase(double.NaN)]
    public void AnotherRangeIsRefusedWithACure(double value)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = zeros(1, 3, 8, 8);
        image[0, 1, 2, 3] = value;
        Assert.That(() => FirstFrame.Fit(image, 8, 8), Throws.ArgumentException.With.Message.Contains("[0, 1]").And.Message.Contains("Divide"));
    }

    [Test]
    public void BytesAndOtherShapesAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(() => FirstFrame.Fit(zeros([1, 3, 8, 8], dtype: ScalarType.Byte), 8, 8), Throws.ArgumentException.With.Message.Contains("255"));
        Assert.That(() => FirstFrame.Fit(zeros(1, 1, 8, 8), 8, 8), Throws.ArgumentException.With.Message.Contains("B, 3, H, W"));
    }
}
