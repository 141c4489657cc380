using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The setting is the process's: no other test may make it.</summary>
[NonParallelizable]
public class TensorFloat32Tests
{
    [Test]
    public void ARunMakesTheSettingAndTakesItBack([Values] bool allowed)
    {
        (bool, bool) before = Now();
        using (TensorFloat32.Begin(allowed))
        {
            Assert.That(Now(), Is.EqualTo((allowed, allowed)));
            using (TensorFloat32.Begin(!allowed))
            {
                Assert.That(Now(), Is.EqualTo((!allowed, !allowed)));
            }

            Assert.That(Now(), Is.EqualTo((allowed, allowed)));
        }

        Assert.That(Now(), Is.EqualTo(before));
    }

    private static (bool Products, bool Convolutions) Now() => (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32);
}
