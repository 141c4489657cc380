using Microsoft.ML.VideoAlignment.Algorithms;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tests;

public class AdamWTests
{
    [Test]
    public void ItMovesParametersAsTorchOptimAdamWDoes()
    {
        using DisposeScope scope = NewDisposeScope();
        OptimizerOptions settings = Settings();
        using var generator = new Generator(5);
        Tensor start = randn([3L, 7], generator: generator), other = randn([4L], generator: generator);
        Parameter[] ours = [new(start.clone()), new(other.clone()), new(ones(2))];
        Parameter[] theirs = [new(start.clone()), new(other.clone()), new(ones(2))];
        using var optimizer = new AdamW(ours, settings);
        using var reference = optim.AdamW(theirs, settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay);
        for (int step = 0; step < 12; step++)
        {
            optimizer.ZeroGrad();
            reference.zero_grad();
            foreach (Parameter[] parameters in (Parameter[][])[ours, theirs])
            {
                // The second begins to have a gradient later, the third never has one.
                Tensor loss = (parameters[0] - 0.3).pow(4).sum();
                (step < 4 ? loss : loss + (parameters[1] * (step - 6)).sum()).backward();
            }

            double rate = settings.LearningRate * (step % 3);
            reference.ParamGroups.Single().LearningRate = rate;
            optimizer.Step(rate);
            reference.step();
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(ours[0].allclose(theirs[0], rtol: 1e-6, atol: 1e-7), "the same formula in the same order");
            Assert.That(ours[1].allclose(theirs[1], rtol: 1e-6, atol: 1e-7), "steps are counted by parameter");
            Assert.That(ours[2].eq(1).all().ToBoolean(), "without a gradient nothing moves, and no weight decays");
            Assert.That(ours[0].allclose(start), Is.False);
        }
    }

    private static OptimizerOptions Settings() => new() { LearningRate = 0.05, Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6, WeightDecay = 0.1 };
}
